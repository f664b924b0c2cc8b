"""The pages in a real browser: mouse, keyboard, phone, themes, accessibility, requests."""

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Locator, Page, Route, expect, sync_playwright

from images import to_png
from servers import Served, serving
from tenfold.data.mnist import LabelledImages
from tenfold.synthetic.allographs import draw_strokes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
TIMEOUT_MS = 120_000  # the machine may be busy
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
CLIPBOARD = ["clipboard-read", "clipboard-write"]
TOKEN = "a-token-of-a-test-0123456789"
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *FAKE_CAMERA]
        )
        yield browser
        browser.close()


@contextmanager
def opening(
    browser: Browser, address: str, path: str = "", ignored: str = "status of 422", **options: Any
) -> Iterator[Page]:
    """A page in a browser context of its own.

    At the end, its console must have no messages but `ignored`, which the browser writes for failed
    requests, and all its requests must have gone to the server.
    """
    context = browser.new_context(**options)
    page = context.new_page()
    errors: list[str] = []
    addresses: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(address + path)
    yield page
    context.close()
    assert [error for error in errors if ignored not in error] == []
    assert [url for url in addresses if not url.startswith((address, "data:", "blob:"))] == []


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with opening(browser, served.address, permissions=CLIPBOARD) as page:
        yield page


def check_accessible(page: Page) -> None:
    page.evaluate(AXE)
    assert page.evaluate("axe.run()")["violations"] == []


def find_box(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box is not None
    return box


def expect_answer(page: Page, text: str, status: str = "read") -> None:
    expect(page.locator("#text")).to_have_text(text, timeout=TIMEOUT_MS)
    expect(page.locator("#status")).to_have_text(status, timeout=TIMEOUT_MS)


def draw(page: Page, digit: int, seed: int, left: float = 0.4) -> None:
    """Draw a digit with the mouse, in one of the shapes that pens draw."""
    box = find_box(page.locator("#canvas"))
    strokes = draw_strokes(digit, np.random.default_rng((digit, seed)))
    height = 0.6 * box["height"]
    for stroke in strokes:
        places = [
            (
                box["x"] + left * box["width"] + x * height,
                box["y"] + (0.2 + 0.6 * y) * box["height"],
            )
            for x, y in stroke[::-3][::-1]
        ]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()


def test_each_digit_can_be_drawn(page: Page) -> None:
    for digit in range(10):
        page.locator("#clear").click() if digit else None
        draw(page, digit, seed=1)
        expect_answer(page, str(digit))
    expect(page.locator("#bars li.best span").first).to_have_text("9")
    expect(page.locator("#stages li")).to_have_count(7)


def test_each_digit_can_be_pasted(page: Page, test_images: LabelledImages) -> None:
    for digit in range(10):
        first = int(np.flatnonzero(test_images.labels_N == digit)[1])
        paste(page, test_images.images_NHW[first])
        expect_answer(page, str(digit))


def paste(page: Page, image_HW: np.ndarray) -> None:
    page.evaluate(
        """(text) => {
          const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "digit.png", { type: "image/png" }));
          const options = { clipboardData: transfer, bubbles: true };
          document.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        base64.b64encode(to_png(image_HW)).decode(),
    )


def test_each_of_several_digits_can_be_inspected(page: Page) -> None:
    for number, digit in enumerate((4, 0, 7)):
        draw(page, digit, seed=2, left=0.1 + 0.28 * number)
    expect_answer(page, "407")
    expect(page.locator("#boxes rect")).to_have_count(3)
    last = page.locator("#digits button").nth(2)
    last.click()
    expect(last).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#bars li.best span").first).to_have_text("7")
    expect(page.locator("#stages li")).to_have_count(4)  # those of the image and of this digit
    expect(page.locator("#stages li").last).to_contain_text("digit 3")
    expect(page.locator("#way-note")).to_be_visible()
    page.locator("#undo").click()
    page.keyboard.press("Control+z")
    expect(page.locator("#text")).not_to_have_text("407", timeout=TIMEOUT_MS)
    page.locator("#clear").click()
    expect(page.locator("#message")).to_have_text("Nothing is written yet.")
    expect(page.locator("#undo")).to_be_disabled()


def tab_to(page: Page, target: Locator) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError("not reachable with the keyboard")


def test_the_page_can_be_used_with_the_keyboard_alone(
    page: Page, tmp_path: Path, test_images: LabelledImages
) -> None:
    Image.fromarray(test_images.images_NHW[0]).save(tmp_path / "seven.png")
    page.on("filechooser", lambda _: None)  # makes the browser report it
    tab_to(page, page.locator("#open"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(tmp_path / "seven.png")
    expect_answer(page, "7")
    expect(page.locator("#picture")).to_be_visible()
    tab_to(page, page.locator("#single"))
    with page.expect_response(lambda answer: "single=true" in answer.url):
        page.keyboard.press("Space")
    tab_to(page, page.locator("#copy"))
    page.keyboard.press("Enter")
    expect(page.locator("#copied")).to_have_text("Copied.")


def test_the_copied_command_reads_the_same_image(page: Page) -> None:
    draw(page, 5, seed=3)
    expect_answer(page, "5")
    page.locator("#copy").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    line = page.evaluate("navigator.clipboard.readText()")
    answer = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert json.loads(answer)["text"] == "5"


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


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    for _ in range(TIMEOUT_MS // 20):
        if is_so():
            return
        page.wait_for_timeout(20)
    raise AssertionError("timed out")


def slow_down_files(page: Page, milliseconds: int = 0) -> None:
    """Count the image files that the page makes of drawings, and delay them."""
    page.evaluate(
        """(milliseconds) => {
          window.numAsked = window.numMade = 0;
          const toBlob = HTMLCanvasElement.prototype.toBlob;
          HTMLCanvasElement.prototype.toBlob = function (take, ...others) {
            window.numAsked++;
            const make = (blob) => { take(blob); window.numMade++; };
            toBlob.call(this, (blob) => setTimeout(() => make(blob), milliseconds), ...others);
          };
        }""",
        milliseconds,
    )


def test_while_a_drawing_is_read_only_the_newest_waits(page: Page) -> None:
    def has_made(num: int) -> Callable[[], bool]:
        return lambda: page.evaluate("window.numMade") == num

    held: list[Route] = []
    page.route("**/v1/read*", lambda route: held.append(route))
    slow_down_files(page)
    for number in range(3):
        draw(page, 1, seed=1, left=0.1 + 0.25 * number)
        wait_until(page, has_made(number + 1))
    wait_until(page, lambda: len(held) > 0)
    page.wait_for_timeout(200)
    assert len(held) == 1
    held[0].continue_()
    wait_until(page, lambda: len(held) > 1)
    expect(page.locator("#text")).to_have_text("")  # the first reading is outdated
    assert len(held) == 2
    held[1].continue_()
    expect(page.locator("#text")).to_have_text("111", timeout=TIMEOUT_MS)
    with Image.open(io.BytesIO(held[1].request.post_data_buffer or b"")) as sent:
        assert sent.width * sent.height <= 320 * 320  # a small image for the server


def test_a_cleared_drawing_is_not_sent(page: Page) -> None:
    slow_down_files(page, milliseconds=2000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    draw(page, 4, seed=1)
    wait_until(page, lambda: page.evaluate("window.numAsked") > 0)
    page.locator("#clear").click()
    wait_until(page, lambda: page.evaluate("window.numMade") > 0)
    page.wait_for_timeout(100)
    assert not [address for address in asked if "/v1/read" in address]
    expect(page.locator("#message")).to_have_text("Nothing is written yet.")


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


def test_a_phone_shows_everything_and_does_not_scroll_while_drawing(
    browser: Browser, served: Served
) -> None:
    with opening(browser, served.address, **PHONE) as page:
        session = page.context.new_cdp_session(page)
        box = find_box(page.locator("#canvas"))
        x, top, bottom = box["x"] + box["width"] / 2, box["y"] + 30, box["y"] + box["height"] - 30

        def touch(kind: str, *ys: float) -> None:
            points = [{"x": x, "y": y} for y in ys]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", bottom)
        for y in np.linspace(bottom, top, 20):
            touch("touchMove", float(y))
        touch("touchEnd")
        assert page.evaluate("scrollY") == 0
        expect_answer(page, "1")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        for name in ("Undo", "Clear", "Take a photo", "Open images"):
            assert find_box(page.get_by_role("button", name=name))["height"] >= 44


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_accessible(browser: Browser, served: Served, path: str, theme: str) -> None:
    with opening(browser, served.address, path, color_scheme=theme) as page:
        if path == "/":
            for number, digit in enumerate((3, 8)):
                draw(page, digit, seed=4, left=0.1 + 0.4 * number)
            expect_answer(page, "38")
        else:
            expect(page.locator("main")).not_to_contain_text("Looking…", timeout=TIMEOUT_MS)
        check_accessible(page)


def test_a_wrong_digit_is_corrected_in_all_that_is_taken_along(page: Page) -> None:
    for number, digit in enumerate((4, 0, 7)):
        draw(page, digit, seed=2, left=0.1 + 0.28 * number)
    expect_answer(page, "407")
    page.get_by_role("button", name="Correct digit 2: 0").click()
    page.keyboard.press("x")  # no digit
    page.keyboard.press("8")
    expect_answer(page, "487")
    corrected = page.get_by_role("button", name="Correct digit 2: 8, corrected from 0")
    expect(corrected).to_be_visible()
    expect(page.locator("#correct-note")).to_have_text("1 digit corrected.")
    check_accessible(page)
    page.locator("#copy-text").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "487"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert lines[1] == "drawing.png,1,487,read,yes,"
    # With the keyboard alone: to a digit, to its neighbour, and back to what was read.
    corrected.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("9")
    expect_answer(page, "987")
    page.keyboard.press("0")  # the next one has the keyboard
    expect_answer(page, "907")
    expect(page.locator("#correct-note")).to_have_text("1 digit corrected.")
    page.locator(".sign").first.click()
    page.keyboard.press("Escape")
    expect_answer(page, "907")


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


def test_a_browser_asks_for_the_token_by_itself(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with serving("--token-file", str(tmp_path / "token")) as server:
        login = {"username": "anyone", "password": TOKEN}
        options: dict[str, Any] = {"http_credentials": login, "permissions": CLIPBOARD}
        with opening(browser, server.address, ignored="status of 401", **options) as page:
            draw(page, 2, seed=5)
            expect_answer(page, "2")
            page.locator("#copy").click()
            expect(page.locator("#copied")).to_contain_text("TENFOLD_TOKEN")
            line = page.evaluate("navigator.clipboard.readText()")
            environment = {**os.environ, "TENFOLD_TOKEN": TOKEN}
            answer = subprocess.run(["bash", "-c", line], env=environment, capture_output=True)
            assert json.loads(answer.stdout)["text"] == "2"
