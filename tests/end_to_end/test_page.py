"""The page in a real browser: drawing, opening, pasting; keyboard, phone, themes; what it sends."""

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import axe_core_python
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    Locator,
    Page,
    Route,
    ViewportSize,
    expect,
    sync_playwright,
)

from servers import Served, serving
from tenfold.data.mnist import LabelledImages
from tenfold.synthetic.strokes import draw_strokes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SECONDS = 120_000  # of patience, in milliseconds: machines may be busy
Theme = Literal["light", "dark"]
PHONE: ViewportSize = {"width": 390, "height": 844}
TOKEN = "a-token-of-a-test-0123456789"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield one
        one.close()


class Watch:
    """What a page said on its console, and where it sent requests."""

    def __init__(self, page: Page, address: str) -> None:
        self.said: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda message: self.hear(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        own = (address, "data:", "blob:")
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(own) else self.elsewhere.append(request.url)
            ),
        )

    def hear(self, text: str) -> None:
        if "status of 422" not in text:  # the browser's note that an image was none
            self.said.append(text)


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    one = context.new_page()
    watch = Watch(one, served.address)
    one.goto(served.address)
    yield one
    context.close()
    assert watch.said == []
    assert watch.elsewhere == []


def expect_answer(page: Page, text: str, status: str = "read") -> None:
    expect(page.locator("#text")).to_have_text(text, timeout=SECONDS)
    expect(page.locator("#status")).to_have_text(status, timeout=SECONDS)


def draw(page: Page, digit: int, seed: int, left: float = 0.4) -> None:
    """A digit, as one of the forms that pens draw, with the mouse."""
    box = page.locator("#canvas").bounding_box()
    assert box is not None
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
    from pngs import to_png

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


def test_several_digits_can_be_looked_at_one_by_one(page: Page) -> None:
    for number, digit in enumerate((4, 0, 7)):
        draw(page, digit, seed=2, left=0.1 + 0.28 * number)
    expect_answer(page, "407")
    expect(page.locator("#boxes rect")).to_have_count(3)
    last = page.locator("#digits button").nth(2)
    last.click()
    expect(last).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#bars li.best span").first).to_have_text("7")
    expect(page.locator("#stages li")).to_have_count(4)  # of the whole image, and of this digit
    expect(page.locator("#stages li").last).to_contain_text("digit 3")
    expect(page.locator("#way-note")).to_be_visible()
    page.locator("#undo").click()
    page.keyboard.press("Control+z")
    expect(page.locator("#text")).not_to_have_text("407", timeout=SECONDS)
    page.locator("#clear").click()
    expect(page.locator("#message")).to_have_text("Nothing is written yet.")
    expect(page.locator("#undo")).to_be_disabled()


def tab_to(page: Page, target: Locator) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError("the keyboard does not reach it")


def test_the_keyboard_does_it_all(page: Page, tmp_path: Path, test_images: LabelledImages) -> None:
    Image.fromarray(test_images.images_NHW[0]).save(tmp_path / "seven.png")
    page.on("filechooser", lambda _: None)  # from now on the browser tells of it
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


def test_what_is_copied_reads_the_same_image(page: Page) -> None:
    draw(page, 5, seed=3)
    expect_answer(page, "5")
    page.locator("#copy").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    line = page.evaluate("navigator.clipboard.readText()")
    answer = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert json.loads(answer)["text"] == "5"


def test_a_photo_is_made_smaller_before_it_is_sent(
    page: Page, tmp_path: Path, test_images: LabelledImages
) -> None:
    digit = Image.fromarray(255 - test_images.images_NHW[0]).resize((4000, 3000))
    noise = np.random.default_rng(0).integers(0, 12, (3000, 4000), np.uint8)
    Image.fromarray(np.asarray(digit) // 2 + 90 + noise).save(tmp_path / "photo.jpg", quality=95)
    with page.expect_request("**/v1/read*") as sent:
        page.set_input_files("#file", tmp_path / "photo.jpg")
    assert (
        len(sent.value.post_data_buffer or b"")
        < 2_000_000
        < (tmp_path / "photo.jpg").stat().st_size
    )
    expect_answer(page, "7")
    expect(page.locator("#boxes rect")).to_have_count(1)

    # Too long for a line of a shell: the button says that a file comes with it.
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


def test_what_is_no_image_is_said(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    page.set_input_files("#file", tmp_path / "notes.png")
    expect(page.locator("#message")).to_contain_text("try a photo", timeout=SECONDS)
    expect(page.locator("#sheet-title")).to_have_text("Write some digits")


def test_what_was_opened_last_is_shown(
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
    for _ in range(SECONDS // 20):
        if is_so():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it does not come about")


def slow_down_files(page: Page, milliseconds: int = 0) -> None:
    """Count the files that are made of drawings, and let them take their time."""
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


def test_one_drawing_is_read_at_a_time_and_then_the_newest(page: Page) -> None:
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
    expect(page.locator("#text")).to_have_text("")  # that of the first is out of date
    assert len(held) == 2
    held[1].continue_()
    expect_answer(page, "111")
    with Image.open(io.BytesIO(held[1].request.post_data_buffer or b"")) as sent:
        assert sent.width * sent.height <= 320 * 320  # small for the server


def test_what_is_cleared_is_not_sent(page: Page) -> None:
    slow_down_files(page, milliseconds=2000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    draw(page, 4, seed=1)
    wait_until(page, lambda: page.evaluate("window.numAsked") > 0)
    page.locator("#clear").click()
    wait_until(page, lambda: page.evaluate("window.numMade") > 0)
    page.wait_for_timeout(100)
    assert asked == []
    expect(page.locator("#message")).to_have_text("Nothing is written yet.")


def test_a_page_of_digits_is_shown_in_lines(
    page: Page, tmp_path: Path, test_images: LabelledImages
) -> None:
    page_HW = np.full((200, 560), 255, np.uint8)
    for i in range(48):
        y, x = 15 + 46 * (i // 12), 15 + 45 * (i % 12)
        page_HW[y : y + 28, x : x + 28] = 255 - test_images.images_NHW[i]
    Image.fromarray(page_HW).save(tmp_path / "page.png")
    page.set_input_files("#file", tmp_path / "page.png")
    expect(page.locator("#text .line")).to_have_count(4, timeout=SECONDS)
    expect(page.locator("#digits button")).to_have_count(40)
    expect(page.locator("#digits-note")).to_contain_text("first 40 of 48 digits")
    width = page.locator("#boxes rect").first.evaluate("(one) => getComputedStyle(one).strokeWidth")
    assert float(width.removesuffix("px")) <= 2
    for line in page.locator("#text .line").all():
        box = line.bounding_box()
        assert box is not None
        assert box["height"] < 60  # in one row, whatever the font
    page.evaluate(AXE)
    assert page.evaluate("axe.run()")["violations"] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_it_all_and_does_not_scroll_while_drawing(
    browser: Browser, served: Served, theme: Theme
) -> None:
    context = browser.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=theme
    )
    page = context.new_page()
    watch = Watch(page, served.address)
    page.goto(served.address)
    session = context.new_cdp_session(page)
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    x, top, bottom = box["x"] + box["width"] / 2, box["y"] + 30, box["y"] + box["height"] - 30

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (x, bottom))
    for share in np.linspace(0, 1, 20):
        touch("touchMove", (x, bottom + share * (top - bottom)))
    touch("touchEnd")
    assert page.evaluate("scrollY") == 0
    expect_answer(page, "1")
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
    for name in ("Undo", "Clear"):
        size = page.get_by_role("button", name=name).bounding_box()
        assert size is not None
        assert size["height"] >= 44
    context.close()
    assert (watch.said, watch.elsewhere) == ([], [])


@pytest.mark.parametrize("path", ["/", "/runs", "/docs"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_accessible(
    browser: Browser, served: Served, path: str, theme: Theme
) -> None:
    context = browser.new_context(color_scheme=theme)
    page = context.new_page()
    page.goto(served.address + path)
    if path == "/":
        for number, digit in enumerate((3, 8)):
            draw(page, digit, seed=4, left=0.1 + 0.4 * number)
        expect_answer(page, "38")
    else:
        expect(page.locator("main")).not_to_contain_text("Looking…", timeout=SECONDS)
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert found["violations"] == []
    context.close()


def test_a_run_that_is_trained_is_seen_to_grow(
    browser: Browser, served: Served, runs_folder: Path
) -> None:
    run = runs_folder / "2026-02-02-classic-0"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"recipe": {"name": "classic"}, "seed": 0}))
    (run / "state.json").write_text(json.dumps({"state": "running"}))
    (run / "report.html").write_text("<h1>98 %</h1><script>document.title='run'</script>")
    context = browser.new_context()
    page = context.new_page()
    watch = Watch(page, served.address)
    with (run / "losses.jsonl").open("w") as losses:
        for i in range(200):
            losses.write(json.dumps({"epoch": 0, "batch": i, "loss": 2 / (i + 1)}) + "\n")
        losses.flush()
        page.goto(f"{served.address}/runs")
        page.get_by_role("button", name=f"Loss curve of {run.name}").click()
        note = page.locator("#curve-note")
        expect(note).to_contain_text("200 batches, running", timeout=SECONDS)
        expect(page.locator("#curve path")).to_have_count(2)
        for i in range(200, 300):
            losses.write(json.dumps({"epoch": 0, "batch": i, "loss": 2 / (i + 1)}) + "\n")
        losses.flush()
        expect(note).to_contain_text("300 batches, running", timeout=SECONDS)
    assert (watch.said, watch.elsewhere) == ([], [])
    page.get_by_role("link", name=f"Report of {run.name}").click()
    expect(page.locator("h1")).to_have_text("98 %")
    assert page.title() != "run"
    context.close()


def test_runs_fit_a_phone_and_a_failed_question_is_asked_again(
    browser: Browser, served: Served, runs_folder: Path
) -> None:
    run = runs_folder / "2026-02-03-classic-augmented-0"
    run.mkdir()
    (run / "config.json").write_text(
        json.dumps({"recipe": {"name": "classic-augmented"}, "seed": 0})
    )
    (run / "state.json").write_text(json.dumps({"state": "running"}))
    (run / "evaluation.json").write_text(json.dumps({"accuracy": 0.9912}))
    (run / "report.html").write_text("<h1>99 %</h1>")
    losses = [{"epoch": 0, "batch": i, "loss": 0.5 - 0.002 * i} for i in range(100)]
    (run / "losses.jsonl").write_text("".join(json.dumps(one) + "\n" for one in losses))
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.route("**/losses?*", lambda route: route.abort(), times=1)
    page.goto(f"{served.address}/runs")
    page.get_by_role("button", name=f"Loss curve of {run.name}").click()
    expect(page.locator("#curve-note")).to_contain_text("100 batches", timeout=SECONDS)
    labels = page.locator("#curve text")
    assert labels.count() >= 3 + 3  # an axis's name, its ends, and three values within a decade
    table = page.locator(".runs").bounding_box()
    assert table is not None
    for place in (*labels.all(), *page.locator("td:visible").all()):
        box = place.bounding_box()
        assert box is not None
        assert box["height"] >= 12
        assert box["x"] + box["width"] <= table["x"] + table["width"]
    page.evaluate(AXE)
    assert page.evaluate("axe.run()")["violations"] == []
    known = page.request.get(f"{served.address}/v1/runs").json()
    for one in known["runs"]:
        one["has_losses"] = one["name"] != run.name
    page.route("**/v1/runs", lambda route: route.fulfill(json=known))
    page.reload()
    expect(page.get_by_role("link", name=f"Report of {run.name}")).to_be_visible()
    expect(page.get_by_role("button", name=f"Loss curve of {run.name}")).to_have_count(0)
    context.close()


def test_a_token_is_asked_for_once(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with serving("--token-file", str(tmp_path / "token"), "--runs", str(tmp_path)) as one:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(one.address)
        draw(page, 2, seed=5)  # which is read once the token is there
        field, note = page.locator("#token"), page.locator("#token-note")
        give = page.get_by_role("button", name="Go on")
        field.fill("another-token-0123456789")
        give.click()
        expect(note).to_contain_text("not this server's token")
        page.evaluate(AXE)
        assert page.evaluate("axe.run()")["violations"] == []
        field.fill("ein-Schlüssel")
        give.click()
        expect(note).to_contain_text("only letters")
        field.fill(TOKEN)
        give.click()
        expect(page.locator("#token-dialog")).to_be_hidden()
        expect_answer(page, "2")
        second = context.new_page()  # which has the cookie, and was not asked
        second.goto(one.address)
        draw(second, 2, seed=5)
        expect_answer(second, "2")
        second.locator("#copy").click()
        expect(second.locator("#copied")).to_contain_text("TENFOLD_TOKEN")
        line = second.evaluate("navigator.clipboard.readText()")
        answer = subprocess.run(
            ["bash", "-c", line], env={**os.environ, "TENFOLD_TOKEN": TOKEN}, capture_output=True
        )
        assert json.loads(answer.stdout)["text"] == "2"
        context.close()
        declines_the_token(browser, one)


def declines_the_token(browser: Browser, served: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(f"{served.address}/runs")
    dialog = page.locator("#token-dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#note")).to_have_text("This server needs a token.")
    with page.expect_response("**/v1/runs"):  # the next question does not ask the person again
        page.clock.run_for(6000)
    page.clock.resume()
    page.wait_for_timeout(200)
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Give the token").click()
    page.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Give the token").click()
    page.locator("#token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_contain_text("There are no runs yet")
    context.close()
