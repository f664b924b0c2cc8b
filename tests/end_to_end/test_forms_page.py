"""The page of forms in a real browser: the editor, and the list of what is doubtful on sheets."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import axe_core_python
import pytest
from playwright.sync_api import Page, Route, sync_playwright

from servers import serving
from tenfold.forms.form import load_form

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
EXAMPLE = Path(__file__).parents[2] / "examples" / "exam-marks"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("--forms", str(tmp_path_factory.mktemp("forms"))) as served:
        yield served.address


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """An empty page of a browser, without errors to its end."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    assert not errors


def test_a_form_is_edited_by_mouse_and_keyboard_and_saved(
    page: Page, address: str, tmp_path: Path
) -> None:
    page.goto(f"{address}/forms")
    page.set_input_files("#file", EXAMPLE / "marks.png")
    fields = page.locator("#boxes rect")
    fields.nth(4).click()  # the first cell of the table
    page.fill("#name", "first_mark")
    page.fill("#expect", "#{1,2}")
    sheet = page.locator("#boxes").bounding_box()
    assert sheet is not None
    x, y = sheet["x"] + 0.61 * sheet["width"], sheet["y"] + 0.435 * sheet["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 0.22 * sheet["width"], y + 0.025 * sheet["height"], steps=3)
    page.mouse.up()
    page.select_option("#kind", "bubbles")
    page.fill("#name", "grade")
    page.fill("#columns", "6")
    page.fill("#labels", "1, 2, 3, 4, 5, 6")
    fields.nth(1).focus()
    page.keyboard.press("Delete")
    fields.nth(0).focus()
    for key in ("ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.evaluate(AXE)
    assert page.evaluate("axe.run()")["violations"] == []
    with page.expect_download() as first:
        page.click("#save")
    first.value.save_as(tmp_path / "marks.toml")
    shutil.copy(EXAMPLE / "marks.png", tmp_path)
    form = load_form(tmp_path / "marks.toml")
    found = {one.name: one for one in form.fields}
    assert len(found) == 57
    assert "comb2" not in found
    assert found["first_mark"].expect == "#{1,2}"
    assert (found["grade"].kind, found["grade"].labels[-1]) == ("bubbles", "6")
    assert found["comb1"].box[0] == pytest.approx(20.15 + 0.0015 * 210, abs=0.1)


def test_doubtful_fields_are_checked_and_the_table_is_saved(
    page: Page, address: str, tmp_path: Path
) -> None:
    """The server's answers are made up, as reading takes seconds."""
    names = {"id": "####", "mark": None, "late": None}
    fields = [
        {"name": "id", "kind": "digits", "value": "0012", "is_sure": False, "message": "?"},
        {"name": "mark", "kind": "digits", "value": "7", "is_sure": True, "message": None},
        {"name": "late", "kind": "tick", "value": "no", "is_sure": False, "message": "a speck"},
    ]
    described = [{"name": name, "expect": expect} for name, expect in names.items()]
    forms = {"forms": [{"name": "marks", "fields": described}]}
    sheet = {"status": "uncertain", "fields": fields, "message": None}
    page.route("**/v1/forms", lambda route: route.fulfill(json=forms))
    page.route("**/v1/forms/marks?pictures", lambda route: route.fulfill(json=sheet))
    checks = {"13": (None, "is not of the format ####"), "0013": ("0013", None), "X": ("yes", None)}

    def check(route: Route) -> None:
        value, fault = checks[json.loads(route.request.post_data or "")["value"]]
        route.fulfill(json={"value": value, "fault": fault})

    page.route("**/v1/forms/marks/check", check)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/forms")
    page.set_input_files("#sheets", EXAMPLE / "marks.png")
    page.wait_for_selector("#save-table:not([disabled])")
    for text in ("13", "0013", "X"):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        if text == "13":
            page.wait_for_selector("[aria-invalid=true]")
            assert "####" in page.inner_text("#review-message")
            assert "####" in page.inner_text("#doubts > li:first-child p")
            page.keyboard.press("ControlOrMeta+a")
        elif text == "0013":
            page.wait_for_selector("li[data-done]")
    page.wait_for_selector("#save-table:focus")
    page.evaluate(AXE)
    assert page.evaluate("axe.run()")["violations"] == []
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    saved.value.save_as(tmp_path / "marks.csv")
    rows = list(csv.reader((tmp_path / "marks.csv").read_text().splitlines()))
    assert rows[1] == ["marks.png", "", "read", "", "0013", "7", "yes"]
    page.set_input_files("#sheets", EXAMPLE / "marks.png")  # a further row of the same table
    page.wait_for_selector("#save-table:not([disabled])")
    assert "2 sheets, 2 fields to check" in page.inner_text("#review-message")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("#clear")
    assert page.locator("#doubts > li").count() == 4  # not saved, so kept
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#clear")
    assert page.locator("#doubts > li").count() == 0
