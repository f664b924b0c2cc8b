"""`tenfold evaluate`."""

from pathlib import Path

from tenfold.cli.options import AsJson, MovedData
from tenfold.cli.output import print_json, print_rows, print_table, print_text
from tenfold.evaluation.text import tabulate_classes


def evaluate(runs: list[Path], /, *, data: MovedData | None = None, json: AsJson = False) -> None:
    """Evaluate finished runs again, and replace their numbers, figures and reports.

    --json prints the evaluation, or for several runs a list.

    Parameters
    ----------
    runs
        The folders of finished runs.
    """
    from tenfold.workflow import evaluate as evaluation

    evaluations = []
    for number, path in enumerate(runs):
        run = evaluation.evaluate(path, data=data)
        evaluations.append(run.evaluation)
        if json:
            continue
        if number:
            print_text()
        print_rows(
            ("run", run.path),
            *((finding.question, finding.answer) for finding in run.evaluation.findings),
            ("report", run.report),
        )
        print_text()
        print_table(*tabulate_classes(run.evaluation))
    if json:
        print_json(evaluations[0] if len(evaluations) == 1 else evaluations)
