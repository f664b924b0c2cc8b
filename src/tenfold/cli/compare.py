"""`tenfold compare`."""

from pathlib import Path

from tenfold.cli.output import AsJson, print_json, print_table, print_text


def compare(
    studies: list[Path],
    /,
    *,
    data: Path | None = None,
    out: Path | None = None,
    json: AsJson = False,
) -> None:
    """Compare studies of the same images: a table, and the first against each of the others.

    Parameters
    ----------
    studies
        The folders of studies.
    data
        Where the studies' data lie now, if that has changed. They must be the same data.
    out
        Also write figures and a report into this folder.
    """
    from tenfold import studying

    comparison = studying.compare(studies, data=data, out=out)
    if json:
        print_json(comparison)
        return
    from tenfold.studies.report import describe_difference, tabulate

    print_table(*tabulate(comparison), num_unwrapped=1)
    for pair in comparison.differences:
        finding = describe_difference(pair)
        print_text(f"\n{finding.question} {finding.answer}\n{finding.sentence}")
    if out is not None:
        print_text(f"\nreport  {out / 'report.html'}")
