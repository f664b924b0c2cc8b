"""`tenfold evaluate`."""

from pathlib import Path

from tenfold.cli.output import AsJson, print_json, print_rows


def evaluate(run: Path, /, *, data: Path | None = None, json: AsJson = False) -> None:
    """Evaluate a finished run again: its numbers, figures and report are replaced.

    Parameters
    ----------
    run
        The folder of a finished run.
    data
        Where the run's data lie now, if that has changed. They must be the same data.
    """
    from tenfold import workflow

    evaluated = workflow.evaluate(run, data=data)
    if json:
        print_json(evaluated.evaluation)
        return
    print_rows(
        ("run", evaluated.path),
        *((one.question, one.answer) for one in evaluated.evaluation.findings),
        ("report", evaluated.report),
    )
