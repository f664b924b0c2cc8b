"""The editor of forms in a real browser."""

import shutil
from pathlib import Path

import axe_core_python
import pytest
from playwright.sync_api import sync_playwright

from servers import serving
from tenfold.forms.form import load_form

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
EXAMPLE = Path(__file__).parents[2] / "examples" / "exam-marks"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_a_form_is_edited_by_mouse_and_keyboard_and_saved(tmp_path: Path) -> None:
    with serving("--forms", str(tmp_path)) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{served.address}/forms")
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
        browser.close()
    assert not errors
    shutil.copy(EXAMPLE / "marks.png", tmp_path)
    form = load_form(tmp_path / "marks.toml")
    found = {one.name: one for one in form.fields}
    assert len(found) == 57
    assert "comb2" not in found
    assert found["first_mark"].expect == "#{1,2}"
    assert (found["grade"].kind, found["grade"].labels[-1]) == ("bubbles", "6")
    assert found["comb1"].box[0] == pytest.approx(20.15 + 0.0015 * 210, abs=0.1)
