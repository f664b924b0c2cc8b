"""Opens the pages in a real browser, and does there what people do."""

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_core_python
import numpy as np
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

from images import to_png
from tenfold.synthetic.allographs import draw_strokes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
TIMEOUT_MS = 120_000  # the machine may be busy
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
CLIPBOARD = ["clipboard-read", "clipboard-write"]
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@contextmanager
def starting_browser() -> Iterator[Browser]:
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


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    for _ in range(TIMEOUT_MS // 20):
        if is_so():
            return
        page.wait_for_timeout(20)
    raise AssertionError("timed out")
