"""The pages in a real browser: mouse, keyboard, phone, themes, accessibility, requests."""

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from end_to_end.browsing import (
    CHROMIUM,
    CLIPBOARD,
    PHONE,
    TIMEOUT_MS,
    check_accessible,
    draw,
    expect_answer,
    find_box,
    opening,
    wait_until,
)
from reading.signed_lines import write_signed
from servers import Served, serving
from tenfold.data.mnist import LabelledImages

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
TOKEN = "a-token-of-a-test-0123456789"


def test_one_digit_after_another_can_be_drawn(page: Page) -> None:
    for digit in (5, 3, 9):
        page.locator("#clear").click() if digit != 5 else None
        draw(page, digit, seed=1)
        expect_answer(page, str(digit))
    expect(page.locator("#bars li.best span").first).to_have_text("9")
    expect(page.locator("#stages li")).to_have_count(7)


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


def test_a_wrong_digit_is_corrected_in_all_that_is_taken_along(
    page: Page, tmp_path: Path, test_images: LabelledImages
) -> None:
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
    # Signs are no digits to correct, and stay where they are.
    Image.fromarray(write_signed(test_images, "-12.50")[0]).save(tmp_path / "signs.png")
    page.set_input_files("#file", tmp_path / "signs.png")
    expect_answer(page, "-12.50")
    expect(page.locator("#text .mark")).to_have_text(["-", "."])
    page.get_by_role("button", name="Correct digit 2: 2").click()
    page.keyboard.press("3")
    expect_answer(page, "-13.50")
    expect(page.locator("#text .mark")).to_have_text(["-", "."])
    check_accessible(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    # A negative number is no formula.
    assert saved.value.path().read_text().splitlines()[1] == "signs.png,1,-13.50,read,yes,"


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
