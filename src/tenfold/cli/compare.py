"""`tenfold compare`."""

from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.options import AsJson, MovedData, WholeNumber
from tenfold.cli.output import print_json, print_rows, print_table, print_text
from tenfold.errors import StudyError

if TYPE_CHECKING:
    from tenfold.workflow.compare import StudyAverage


def compare(
    folders: list[Path],
    /,
    *,
    data: MovedData | None = None,
    out: Path | None = None,
    average: WholeNumber | None = None,
    json: AsJson = False,
) -> None:
    """Compare studies or runs of the same images: tables, and the first against each of the others.

    Only studies show what other seeds give. With --average, the runs of one study are compared with
    the average of their probabilities.

    Parameters
    ----------
    folders
        The folders of studies, or of two or more runs.
    out
        A folder to write figures and a report to.
    average
        Average this many runs of one study; their weights must be in its folder.
    """
    from tenfold.runs.listing import describe
    from tenfold.workflow import compare as comparing

    if average is not None:
        if len(folders) != 1 or out is not None:
            raise StudyError("--average takes one study, and no --out")
        listed = describe(folders[0])
        if listed is not None and listed.kind == "run":
            raise StudyError(f"{folders[0]} is a run, not a study; `tenfold study` makes studies")
        averaged = comparing.average_study(folders[0], num_runs=average, data=data)
        if json:
            print_json(averaged)
        else:
            _print_average(averaged)
        return
    comparison = comparing.compare(folders, data=data, out=out)
    if json:
        print_json(comparison)
        return
    from tenfold.reports.run_comparison import lay_out

    tables, findings = lay_out(comparison)
    for number, table in enumerate(tables):
        if number:
            print_text()
        print_table([*table.columns], [*map(list, table.rows)], num_unwrapped=1)
    for finding in findings:
        print_text(f"\n{finding.question} {finding.answer}\n{finding.sentence}")
    if out is not None:
        print_text(f"\nreport  {out / 'report.html'}")


def _print_average(found: "StudyAverage") -> None:
    from tenfold.evaluation.text import PART_NAMES, format_percent

    def describe(average: float, single: float) -> str:
        return f"{format_percent(average)}, single runs {format_percent(single)} on average"

    runs = f"{len(found.seeds)} runs, {found.num_images:,} {PART_NAMES[found.part]} images"
    rows = [("averaged", runs), ("accuracy", describe(found.accuracy, found.mean_accuracy))]
    if found.corrected_accuracy is not None and found.mean_corrected_accuracy is not None:
        corrected = describe(found.corrected_accuracy, found.mean_corrected_accuracy)
        rows.append(("on corrected labels", corrected))
    print_rows(*rows)
