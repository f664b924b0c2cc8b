"""`tenfold evaluate`."""

from pathlib import Path

from tenfold.cli.output import AsJson, print_json, print_rows, print_text


def evaluate(runs: list[Path], /, *, data: Path | None = None, json: AsJson = False) -> None:
    """Evaluate finished runs again, and replace their numbers, figures and reports.

    Parameters
    ----------
    runs
        The folders of finished runs.
    data
        The folder of the runs' data, needed if it has moved. The data must be the same.
    json
        Print JSON: the evaluation, or for several runs a list.
    """
    from tenfold.workflow import evaluate as evaluation

    evaluations = []
    for number, run in enumerate(runs):
        evaluated = evaluation.evaluate(run, data=data)
        evaluations.append(evaluated.evaluation)
        if json:
            continue
        if number:
            print_text()
        print_rows(
            ("run", evaluated.path),
            *((finding.question, finding.answer) for finding in evaluated.evaluation.findings),
            ("report", evaluated.report),
        )
    if json:
        print_json(evaluations[0] if len(evaluations) == 1 else evaluations)
