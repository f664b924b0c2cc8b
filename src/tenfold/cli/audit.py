"""`tenfold audit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tenfold.cli.options import AsJson, Flag, MovedData, WholeNumber
from tenfold.cli.output import print_json, print_note, print_rows, print_table, print_text
from tenfold.errors import RunError

if TYPE_CHECKING:
    from tenfold.auditing.results import Audit, LabelAudit

NUM_SHOWN = 20  # suspect labels; JSON has all


def audit(
    run: Path,
    /,
    *,
    not_digits: Annotated[list[Path] | None, Parameter(negative=())] = None,
    labels: Flag = False,
    images: WholeNumber | None = None,
    seed: WholeNumber | None = None,
    data: MovedData | None = None,
    out: Path | None = None,
    json: AsJson = False,
) -> None:
    """Measure what a model's answers are worth: corruption, calibration, rejection, labels.

    Parameters
    ----------
    run
        The folder of a finished run, an ONNX file of a digit model, or `reader` for the bundled
        reader's digit network. With --labels, the folder of a study.
    not_digits
        A folder of images that show no digit. Repeat it for more folders.
    labels
        List the labels that most runs of a study contradict.
    images
        Audit the first so many images only, at least 100.
    seed
        The random seed of corruptions and halves; by default 0.
    out
        The folder for audit.json and audit.html; by default that of the run. For `reader` and ONNX
        files they are written only with --out.
    """
    from tenfold.workflow import audit as auditing

    if labels:
        given = {"--not-digits": not_digits, "--images": images, "--seed": seed, "--out": out}
        refused = [name for name, value in given.items() if value is not None]
        if refused:
            raise RunError(f"{', '.join(refused)} cannot be combined with --labels")
        found = auditing.audit_labels(run, data=data)
        if json:
            print_json(found)
        else:
            _print_labels(found)
        return
    audited = auditing.audit(
        run,
        not_digits=not_digits or (),
        images=images,
        seed=0 if seed is None else seed,
        data=data,
        out=out,
        on_progress=lambda name: print_note(f"audit: {name}"),
    )
    if json:
        print_json(audited)
        return
    _print_audit(audited)
    folder = out if out is not None else run
    if folder.is_dir():
        print_text(f"\nreport  {folder / auditing.PAGE}")


def _print_audit(audited: "Audit") -> None:
    from tenfold.reports.audit_report import (
        list_rows,
        tabulate_conformal,
        tabulate_corruptions,
        tabulate_not_digits,
    )

    print_rows(*list_rows(audited))
    for table in (
        tabulate_corruptions(audited),
        tabulate_not_digits(audited),
        tabulate_conformal(audited),
    ):
        if not table.rows:
            continue
        print_text(f"\n{table.title}")
        print_table([*table.columns], [[*row] for row in table.rows])


def _print_labels(found: "LabelAudit") -> None:
    from tenfold.evaluation.text import PART_NAMES, format_percent

    images = f"{found.num_images:,} {PART_NAMES[found.part]} images"
    print_rows(
        ("study", f"{found.study}, {found.num_runs} runs"),
        ("contradicted", f"{len(found.suspects)} labels of {images}, by most runs"),
    )
    rows = [
        [
            str(each.index),
            str(each.label),
            str(each.answer),
            format_percent(each.share, 0),
            format_percent(each.confidence, 1),
            "yes" if each.is_listed else "",
        ]
        for each in found.suspects[:NUM_SHOWN]
    ]
    print_text()
    print_table(["image", "label", "runs say", "runs", "confidence", "known error"], rows)
    if found.found:
        print_text()
        print_table(
            ["first", "known errors among them", "precision", f"recall of {found.num_listed}"],
            [
                [
                    str(each.top),
                    str(each.num_found),
                    format_percent(each.precision, 0),
                    format_percent(each.recall, 0),
                ]
                for each in found.found
            ],
        )
