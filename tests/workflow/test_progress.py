from contextlib import suppress
from typing import Any

import pytest

from tenfold.runs.progress import DrawingProgress, StageProgress, TrainingProgress
from tenfold.workflow.progress import showing_progress, showing_study_progress
from tenfold.workflow.study_progress import StudyProgress

HALF = TrainingProgress(
    step=6,
    num_steps=12,
    epoch=1,
    num_epochs=2,
    mean_loss=0.5,
    images_per_second=60_000,
    seconds_left=600,
)
END = TrainingProgress(**{**vars(HALF), "step": 12, "epoch": 2, "seconds_left": 0})
STAGE = StageProgress(stage="evaluating")


class Output:
    """What takes the place of a notebook's outputs; each keeps the states that it had."""

    def __init__(self) -> None:
        self.states: list[list[str]] = []

    def display(self, kinds: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        states = [kinds["text/html"]]
        self.states.append(states)

        class Handle:
            def update(self, kinds: dict[str, str], *, raw: bool) -> None:
                states.append(kinds["text/html"])

        return Handle()


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    output = Output()
    monkeypatch.setattr("tenfold.workflow.progress.is_in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", output.display)
    return output


@pytest.mark.parametrize("is_shown", [None, True, False])
def test_a_script_shows_progress_only_if_asked_and_passes_it_on(
    is_shown: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []
    with showing_progress("classic", seen.append, is_shown=is_shown) as show:
        for progress in (HALF, END, STAGE):
            show(progress)
    assert seen == [HALF, END, STAGE]
    lines = [
        "classic: epoch 2/2, loss 0.5000, 60,000 images/s, 0 s left",
        "classic: evaluating",
    ]
    assert capsys.readouterr().err.splitlines() == (lines if is_shown else [])


def test_a_notebook_shows_a_line_that_ends_with_the_last_epoch(output: Output) -> None:
    with showing_progress("<b>", is_shown=None) as show:
        show(DrawingProgress(num_drawn=1, num_scenes=4, seconds_left=3))
        for progress in (HALF, END, STAGE):
            show(progress)
    [[drawing, half, _, stage, last]] = output.states
    assert drawing == (
        '<progress value="0.2500"></progress> &lt;b&gt;: 1 of 4 images generated, 3 s left'
    )
    assert 'value="0.5000"' in half
    assert half.endswith("epoch 1/2, loss 0.5000, 60,000 images/s, 10 min left")
    assert stage == "<progress></progress> &lt;b&gt;: evaluating"
    assert last == (
        '<progress value="1.0000"></progress> &lt;b&gt;: epoch 2/2, loss 0.5000, 60,000 images/s'
    )


def test_a_notebook_keeps_the_state_in_which_a_run_was_stopped(output: Output) -> None:
    with suppress(KeyboardInterrupt), showing_progress("classic", is_shown=None) as show:
        show(HALF)
        show(STAGE)
        raise KeyboardInterrupt
    [[half, _, last]] = output.states
    assert last == half


def test_a_notebook_shows_nothing_beside_a_callback_or_if_told(output: Output) -> None:
    for on_progress, is_shown in ((print, None), (None, False)):
        with showing_progress("classic", on_progress, is_shown=is_shown) as show:
            show(HALF)
    assert output.states == []


def test_a_notebook_shows_a_line_for_each_study(output: Output) -> None:
    with showing_study_progress(is_shown=None) as show:
        for title in ("classic", "classic, 10 epochs"):
            for num_done in (1, 2):
                show(
                    StudyProgress(
                        title=title,
                        num_done=num_done,
                        num_seeds=4,
                        share=num_done / 4,
                        seconds_left=180.0,
                        newest=None,
                        newest_accuracy=None,
                    )
                )
    _, longer = output.states
    assert longer[-1] == (
        '<progress value="0.5000"></progress> classic, 10 epochs: 2 of 4 seeds, 3 min left'
    )
