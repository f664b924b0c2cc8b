"""The page in a real browser: files, photos and pasted images, one or several, and the camera."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from end_to_end.browsing import (
    CHROMIUM,
    PHONE,
    TIMEOUT_MS,
    check_accessible,
    draw,
    expect_answer,
    find_box,
    opening,
    paste,
    wait_until,
)
from servers import Served
from tenfold.data.mnist import LabelledImages

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_one_digit_after_another_can_be_pasted(page: Page, test_images: LabelledImages) -> None:
    for digit in (6, 2):
        first = int(np.flatnonzero(test_images.labels_N == digit)[1])
        paste(page, test_images.images_NHW[first])
        expect_answer(page, str(digit))


def test_a_photo_is_scaled_down_before_it_is_sent(
    page: Page, tmp_path: Path, test_images: LabelledImages
) -> None:
    digit = Image.fromarray(255 - test_images.images_NHW[0]).resize((4000, 3000))
    noise = np.random.default_rng(0).integers(0, 12, (3000, 4000), np.uint8)
    Image.fromarray(np.asarray(digit) // 2 + 90 + noise).save(tmp_path / "photo.jpg", quality=95)
    with page.expect_request("**/v1/read*") as sent:
        page.set_input_files("#file", tmp_path / "photo.jpg")
    num_bytes = len(sent.value.post_data_buffer or b"")
    assert num_bytes < 2_000_000 < (tmp_path / "photo.jpg").stat().st_size
    expect_answer(page, "7")
    expect(page.locator("#boxes rect")).to_have_count(1)

    # Too long for a shell command, so the button also saves a file.
    copy = page.locator("#copy")
    expect(copy).to_have_text("Save the image, copy as curl")
    with page.expect_download() as saved:
        copy.click()
    expect(page.locator("#copied")).to_contain_text("saved as tenfold-image.jpeg")
    assert saved.value.suggested_filename == "tenfold-image.jpeg"
    assert "@tenfold-image.jpeg" in page.evaluate("navigator.clipboard.readText()")
    expect(page.locator("#canvas")).to_be_hidden()
    page.get_by_role("button", name="Draw instead").click()
    draw(page, 3, seed=1)
    expect_answer(page, "3")


def test_a_file_that_is_not_an_image_is_reported(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    page.set_input_files("#file", tmp_path / "notes.png")
    expect(page.locator("#message")).to_contain_text(
        "Not read: not an image (PNG, JPEG", timeout=TIMEOUT_MS
    )
    expect(page.locator("#sheet-title")).to_have_text("Write some digits")


def test_the_image_opened_last_is_shown(
    page: Page, tmp_path: Path, test_images: LabelledImages
) -> None:
    large = Image.fromarray(255 - test_images.images_NHW[0]).resize((4000, 3000))
    large.save(tmp_path / "seven.jpg")
    first = int(np.flatnonzero(test_images.labels_N == 0)[0])
    page.evaluate(
        """() => {
          const decode = window.createImageBitmap;
          window.createImageBitmap = async (file, options) => {
            const bitmap = await decode(file, options);
            if (bitmap.width > 100) await new Promise((resolve) => setTimeout(resolve, 1000));
            window.isDecoded ||= bitmap.width > 100;
            return bitmap;
          };
        }"""
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_input_files("#file", tmp_path / "seven.jpg")
    paste(page, test_images.images_NHW[first])
    expect_answer(page, "0")
    wait_until(page, lambda: page.evaluate("window.isDecoded"))
    page.wait_for_timeout(300)
    expect_answer(page, "0")
    assert sum("/v1/read" in url for url in asked) == 1


def test_a_page_of_digits_is_shown_line_by_line(
    page: Page, tmp_path: Path, test_images: LabelledImages
) -> None:
    page_HW = np.full((200, 560), 255, np.uint8)
    for i in range(48):
        y, x = 15 + 46 * (i // 12), 15 + 45 * (i % 12)
        page_HW[y : y + 28, x : x + 28] = 255 - test_images.images_NHW[i]
    Image.fromarray(page_HW).save(tmp_path / "page.png")
    page.set_input_files("#file", tmp_path / "page.png")
    expect(page.locator("#text .line")).to_have_count(4, timeout=TIMEOUT_MS)
    expect(page.locator("#digits button")).to_have_count(40)
    expect(page.locator("#digits-note")).to_contain_text("first 40 of 48 digits")
    width = page.locator("#boxes rect").first.evaluate("(one) => getComputedStyle(one).strokeWidth")
    assert float(width.removesuffix("px")) <= 2
    for line in page.locator("#text .line").all():
        assert find_box(line)["height"] < 60  # one row, whatever the font
    check_accessible(page)


def test_several_images_are_a_table_that_is_saved(
    browser: Browser, served: Served, tmp_path: Path, test_images: LabelledImages
) -> None:
    paths = []
    for number, name in enumerate(("=1+1.png", "two.png", "one.png")):  # 7, 2 and 1
        paths.append(tmp_path / name)
        Image.fromarray(test_images.images_NHW[number]).save(paths[-1])
    (tmp_path / "no.png").write_text("no image")
    with opening(browser, served.address, **PHONE) as page:
        page.set_input_files("#file", [*paths, tmp_path / "no.png"])
        note = page.locator("#batch-note")
        expect(note).to_have_text("4 images; 3 read, 1 to look at.", timeout=TIMEOUT_MS)
        rows = page.locator("#rows tr")
        assert [one.inner_text() for one in page.locator(".digits-cell").all()][:3] == list("721")
        expect(rows.nth(3)).to_contain_text("not read")
        expect_answer(page, "7")  # the first is shown
        page.get_by_role("button", name="two.png").click()
        expect_answer(page, "2")
        page.locator(".sign").first.click()
        page.keyboard.press("5")
        expect(rows.nth(1)).to_contain_text("5")
        check_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        with page.expect_download() as saved:
            page.get_by_role("button", name="Download as CSV").click()
        lines = saved.value.path().read_text().splitlines()
        assert lines[:4] == [
            *("file,line,digits,status,corrected,message", "'=1+1.png,1,7,read,,"),
            *("two.png,1,5,read,yes,", "one.png,1,1,read,,"),
        ]
        assert lines[4].startswith("no.png,,,error,,")
        page.get_by_role("button", name="Draw instead").click()
        expect(page.locator("#batch")).to_be_hidden()


def test_examples_are_read(page: Page) -> None:
    for number, text in enumerate(("4", "20745", "1863 407 95210 638", "3196")):
        page.locator("#examples button").nth(number).click()
        expect_answer(page, text)
        page.get_by_role("button", name="Draw instead").click()


def test_the_camera_takes_a_photo(browser: Browser, served: Served) -> None:
    with opening(browser, served.address, permissions=["camera"]) as page:
        page.get_by_role("button", name="Take a photo").click()
        page.get_by_role("button", name="Take it").click(timeout=TIMEOUT_MS)
        expect(page.locator("#camera")).to_be_hidden()
        expect(page.locator("#picture")).to_be_visible()
        expect(page.locator("#status")).to_be_visible(timeout=TIMEOUT_MS)
        page.get_by_role("button", name="Take a photo").click()
        check_accessible(page)
        page.get_by_role("button", name="Cancel").click()
        assert not page.evaluate("document.getElementById('video').srcObject")
    with opening(browser, served.address) as page:  # as a phone without HTTPS
        page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
        with page.expect_file_chooser():
            page.get_by_role("button", name="Take a photo").click()
