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
    """Compare studies of the same images: a table, and the first study against each other one.

    Parameters
    ----------
    studies
        The folders of studies.
    data
        The folder of the studies' data, if it has moved. The data must be the same.
    out
        A folder to write figures and a report to.
    json
        Print JSON.
    """
    from tenfold import studying

    comparison = studying.compare(studies, data=data, out=out)
    if json:
        print_json(comparison)
        return
    from tenfold.studies.report import describe_difference, tabulate

    print_table(*tabulate(comparison), num_unwrapped=1)
    for difference in comparison["differences"]:
        finding = describe_difference(difference)
        print_text(f"\n{finding['question']} {finding['answer']}\n{finding['sentence']}")
    if out is not None:
        print_text(f"\nreport  {out / 'report.html'}")
