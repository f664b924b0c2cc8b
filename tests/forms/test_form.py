"""Form files: what they must be, and that a written one is read back."""

from pathlib import Path

import pytest

from tenfold.errors import FormError
from tenfold.forms.form import Field, Form, format_form, load_form, parse_form

HEAD = 'reference = "sheet.png"\nsize_mm = [210, 297]\n'
FIELD = '[[field]]\nname = "a"\nbox = [10, 10, 30, 20]\n'
PATH = Path("marks.toml")


def test_a_written_form_is_read_back() -> None:
    fields = (
        Field('say "a\\b"', (1.5, 2.25, 10, 20), expect="#{1,2}"),
        Field("Größe", (30, 2, 60, 12), digits=4),
        Field("done", (70, 2, 75, 7), "tick"),
        Field("grade", (80, 2, 120, 10), "bubbles", None, None, 1, 3, ("A", "B", "C")),
    )
    form = Form("Exam 1", Path("sheet.png"), fields, (210, 297), filled=True)
    assert parse_form(format_form(form, "a comment\nof two lines"), PATH) == form


def test_without_a_size_boxes_are_shares() -> None:
    form = parse_form('reference = "s.png"\n[[field]]\nname = "a"\nbox = [0, 0, 0.5, 1]', PATH)
    assert form.get_shares(form.fields[0].box) == (0, 0, 0.5, 1)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("= 3", ["not a TOML file"]),
        (FIELD, ["reference"]),
        ('reference = "../../etc/passwd"\n' + FIELD, ["reference", "below"]),
        ('reference = "/a.png"\n' + FIELD, ["reference", "below"]),
        (HEAD, ["[[field]]"]),
        (HEAD + "colour = 3\n" + FIELD, ["'colour'", "size_mm"]),
        (HEAD + FIELD + "colour = 3", ["'a'", "'colour'", "expect"]),
        (HEAD + FIELD + 'kind = "box"', ["'a'", "'box'", "tick"]),
        (HEAD + FIELD + "digits = 0", ["'a'", "digits", "1 to 40", "0"]),
        (HEAD + FIELD + 'expect = "#{4,"', ["'a'", "expect"]),
        (HEAD + FIELD + 'digits = 3\nexpect = "##"', ["'a'", "3", "'##'"]),
        (HEAD + FIELD + 'kind = "bubbles"', ["'a'", "labels = [", "columns = 3"]),
        ('reference = "sheet.png"\n' + FIELD, ["'a'", "millimetres", "size_mm"]),
        (HEAD + FIELD + 'kind = "tick"\nexpect = "#"', ["'a'", "'expect'"]),
        (HEAD + FIELD + 'kind = "bubbles"\ncolumns = 3\nlabels = ["1"]', ["'a'", "labels", "3"]),
        (HEAD + FIELD.replace("30, 20", "300, 20"), ["'a'", "within the sheet", "300"]),
        (HEAD + FIELD.replace("30, 20", "5, 20"), ["'a'", "left"]),
        (HEAD + FIELD.replace("30, 20", "nan, 20"), ["'a'", "box"]),
        (HEAD + FIELD.replace('"a"', '"file"'), ["'file'", "column"]),
        (HEAD + FIELD + FIELD, ["'a'", "two"]),
        (HEAD + FIELD + FIELD.replace('"a"', '"b"').replace("[10", "[15"), ["'a'", "'b'", "over"]),
        (HEAD.replace("210", "-1") + FIELD, ["size_mm", "-1"]),
    ],
)
def test_a_wrong_form_is_refused_with_the_field_and_the_value(text: str, facts: list[str]) -> None:
    with pytest.raises(FormError) as caught:
        parse_form(text, PATH)
    message = str(caught.value)
    assert message.startswith("marks.toml: ")
    assert "\n" not in message
    assert all(fact in message for fact in facts), message


def test_fields_may_share_a_line() -> None:
    beside = FIELD.replace('"a"', '"b"').replace("[10", "[29.5").replace("30,", "50,")
    assert len(parse_form(HEAD + FIELD + beside, PATH).fields) == 2


def test_a_missing_reference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "marks.toml"
    path.write_text(HEAD + FIELD)
    with pytest.raises(FormError, match=r"sheet\.png"):
        load_form(path)
