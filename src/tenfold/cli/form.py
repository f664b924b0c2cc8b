"""`tenfold form new` and `tenfold form merge`."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tenfold.cli.options import Flag
from tenfold.cli.output import print_note, print_text
from tenfold.errors import FormError, ImageError
from tenfold.system.escaping import escape
from tenfold.system.files import make_folder, replace_file
from tenfold.system.outputs import writing

Out = Annotated[Path | None, Parameter(name=("--out", "-o"))]
Size = Annotated[str | None, Parameter(name="--size-mm")]
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?x ?(\d+(?:\.\d+)?)")
MAX_LISTED = 20


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FormOptions:
    """The options of `tenfold form`."""

    out: Out = None
    """The file to write: of `new` a form, NAME.toml; of `merge` the final table, NAME.csv or
    NAME.xlsx."""
    size_mm: Size = None
    """Of `new`: width and height of the sheet, such as 210x297; by default found from the picture's
    proportions."""
    force: Flag = False
    """Replace the file if it exists."""


DEFAULTS = FormOptions()


def form(action: Literal["new", "merge"], file: Path, /, *, options: FormOptions = DEFAULTS) -> int:
    """Make a form from a sheet, or merge corrections into the table of a form's sheets.

    `tenfold form new sheet.png -o marks.toml` finds the boxes printed on a blank or filled sheet,
    and writes them as named fields, with the sheet's picture beside it. `tenfold read scans/ --form
    marks.toml --xlsx marks.xlsx` then reads sheets, and lists doubtful fields in the sheet "review"
    of the workbook. After correct values are entered there, `tenfold form merge marks.xlsx -o
    final.csv` writes the final table.

    Parameters
    ----------
    action
        new or merge.
    file
        Of new, a scan of the sheet; of merge, the workbook.
    """
    if options.out is None:
        example = "marks.toml" if action == "new" else "final.csv"
        raise FormError(f"where should it be written? For example: -o {example}")
    if action == "new":
        _make_form(file, options.out, options)
    else:
        _merge(file, options.out, options)
    return 0


def _make_form(source: Path, out: Path, options: FormOptions) -> None:
    from tenfold.forms.form import format_form
    from tenfold.forms.propose import propose_form
    from tenfold.forms.reference import load_reference
    from tenfold.reading.sources import decode_source, split_pages

    if out.suffix.lower() != ".toml":
        raise FormError(f"{out}: the name of a form ends with .toml")
    picture = out.with_suffix(".png")
    for path in (out, picture):
        if path.exists() and not options.force:
            raise FormError(f"{path} exists; name another file with -o, or replace it with --force")
    name = out.stem if out.stem.isprintable() else "form"
    try:
        pixels_HWC = decode_source(split_pages(source)[0]).pixels_HWC
    except ImageError as error:
        raise FormError(f"{source}: {error}") from error
    made, content = propose_form(pixels_HWC, name, picture, _parse_size(options.size_mm))
    if not made.fields:
        raise FormError(
            f"{source}: no printed boxes were found; use a sharper scan, or write the fields by "
            "hand, as docs/forms.md shows"
        )
    unit = "as shares of the sheet" if made.size_mm is None else "in millimetres"
    comment = (
        f"Fields found in {source.name}. Boxes are left, top, right, bottom, "
        f"{unit}.\n"
        "Rename fields, delete those that are not to be read, and say what is expected, such as\n"
        'expect = "#{1,2}"  # one or two digits'
    )
    with writing(out):
        make_folder(out.parent)
        replace_file(picture, content)
        replace_file(out, format_form(made, escape(comment).replace("\\n", "\n")).encode())
    load_reference(made)  # raises if sheets cannot be registered to it
    print_text(f"{out}: {len(made.fields)} fields")
    kind = "filled in" if made.filled else "blank"
    size = "of unknown size" if made.size_mm is None else "{:g} x {:g} mm".format(*made.size_mm)
    print_note(
        f"The sheet is taken to be {size} and {kind} (size_mm and filled in the file). Next: "
        f"name the fields in {out}, delete those that are not to be read, and read sheets with "
        f"tenfold read FOLDER --form {out} --xlsx {out.stem}.xlsx"
    )


def _parse_size(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise FormError(f"--size-mm must be as in 210x297, not {text}")
    return float(found[1]), float(found[2])


def _merge(source: Path, out: Path, options: FormOptions) -> None:
    from tenfold.forms.merge import load_review, merge
    from tenfold.forms.workbook import check_workbook, write_workbook

    if out.suffix.lower() not in (".csv", ".xlsx"):
        raise FormError(f"{out}: the name of the final table ends with .csv or .xlsx")
    if out.resolve() == source.resolve():
        raise FormError(f"{out}: is the workbook itself, which stays as it is; name another file")
    if out.exists() and not options.force:
        raise FormError(f"{out} exists; name another file with -o, or replace it with --force")
    if out.suffix.lower() == ".xlsx":
        check_workbook(out)
    review = load_review(source)
    merged = merge(review)
    if out.suffix.lower() == ".xlsx":
        write_workbook(out, [merged.to_sheet(review.numbers)])
    else:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(map(escape, row) for row in (merged.columns, *merged.rows))
        with writing(out):
            make_folder(out.parent)
            replace_file(out, text.getvalue().encode())
    print_text(f"{out}: {len(merged.rows)} sheets, {merged.num_corrected} corrected values")
    reasons = {(row[0], row[1]): row[3] for row in merged.rows if row[2] == "error"}
    for (file, page), reason in list(reasons.items())[:MAX_LISTED]:
        print_note(f"without values: {_name(file, page)}: {reason or 'it was not read'}")
    if len(reasons) > MAX_LISTED:
        print_note(f"without values: {len(reasons) - MAX_LISTED} more sheets")
    for hint in merged.hints[:MAX_LISTED]:
        print_note(hint)
    doubtful: dict[tuple[str, str], list[str]] = {}
    for file, page, field in merged.doubtful:
        doubtful.setdefault((file, page), []).append(field)
    for (file, page), fields in list(doubtful.items())[:MAX_LISTED]:
        print_note(f"still doubtful: {_name(file, page)}: {', '.join(fields)}")
    if len(doubtful) > MAX_LISTED:
        print_note(f"still doubtful: fields of {len(doubtful) - MAX_LISTED} more sheets")


def _name(file: str, page: str) -> str:
    """A sheet, for messages."""
    return f"{file}, page {page}" if page else file
