"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tenfold.cli.output import print_note
from tenfold.runs.progress import DrawingProgress, OnProgress, StageProgress, TrainingProgress
from tenfold.system.escaping import escape
from tenfold.workflow.study_progress import StudyProgress

SECONDS_BETWEEN_LINES = 2.0
SECONDS_BETWEEN_DRAWING_LINES = 20.0


def _build_bar(*columns: ProgressColumn, auto_refresh: bool = False) -> Progress:
    """A bar, disabled if stderr is no terminal; a thread that redraws would slow training down."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        auto_refresh=auto_refresh,
        disable=not console.is_terminal or console.is_dumb_terminal,
    )


@contextmanager
def showing_progress(title: str) -> Iterator[OnProgress]:
    """Yield a function that shows the progress it is called with."""
    columns = TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:,.0f} images/s")
    bar = _build_bar(columns)
    if bar.disable:
        yield _PlainLines(title)
        return
    title = escape(title)
    task = bar.add_task(title, total=None, loss=0.0, speed=0.0)
    spinner = bar.console.status("")  # has a thread, which does not matter after training

    def show(progress: TrainingProgress | DrawingProgress | StageProgress) -> None:
        match progress:
            case StageProgress():
                bar.stop()
                spinner.update(Text(f"{title}  {progress.stage}"))
                spinner.start()
            case DrawingProgress():
                bar.update(
                    task,
                    total=progress.num_scenes,
                    completed=progress.num_drawn,
                    description=f"{title}  generating images",
                    refresh=True,
                )
            case TrainingProgress():
                bar.update(
                    task,
                    total=progress.num_steps,
                    completed=progress.step,
                    description=f"{title}  epoch {progress.epoch}/{progress.num_epochs}",
                    loss=progress.mean_loss,
                    speed=progress.images_per_second,
                    refresh=True,
                )

    with bar:
        try:
            yield show
        finally:
            spinner.stop()


class _PlainLines:
    """Prints a line after an epoch, at most one every two seconds, and one for each stage."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.last = time.monotonic()

    def __call__(self, progress: TrainingProgress | DrawingProgress | StageProgress) -> None:
        seconds = time.monotonic() - self.last
        match progress:
            case DrawingProgress():
                is_end = progress.num_drawn == progress.num_scenes
                is_due = is_end or seconds >= SECONDS_BETWEEN_DRAWING_LINES
                line = (
                    f"{progress.num_drawn:,} of {progress.num_scenes:,} images generated, "
                    f"{progress.seconds_left:.0f} s left"
                )
            case TrainingProgress():
                num_steps, num_epochs = progress.num_steps, progress.num_epochs
                is_epoch_end = progress.step * num_epochs == progress.epoch * num_steps
                is_due = progress.step == num_steps or (
                    is_epoch_end and seconds >= SECONDS_BETWEEN_LINES
                )
                line = (
                    f"epoch {progress.epoch}/{num_epochs}, loss {progress.mean_loss:.4f}, "
                    f"{progress.images_per_second:,.0f} images/s, "
                    f"{progress.seconds_left:.0f} s left"
                )
            case StageProgress():
                is_due, line = True, progress.stage
        if is_due:
            self.last = time.monotonic()
            print_note(f"{self.title}: {line}")


@contextmanager
def showing_study_progress() -> Iterator[Callable[[StudyProgress], None]]:
    """Show a study's progress: a line for each finished run, and on a terminal a bar below."""
    tasks = {}
    with _build_bar(TextColumn("{task.fields[done]} seeds")) as bar:

        def show(progress: StudyProgress) -> None:
            if progress.newest is not None:
                print_note(_describe_newest(progress))  # above the bar
            if progress.title not in tasks:
                tasks[progress.title] = bar.add_task(escape(progress.title), total=1.0, done="")
            bar.update(
                tasks[progress.title],
                completed=progress.share,
                done=f"{progress.num_done} of {progress.num_seeds}",
                refresh=True,
            )

        yield show


def _describe_newest(progress: StudyProgress) -> str:
    assert progress.newest is not None
    assert progress.newest_accuracy is not None
    left, seconds = "", progress.seconds_left
    if progress.num_done < progress.num_seeds and seconds is not None:
        left = f", {seconds:.0f} s left" if seconds < 100 else f", {seconds / 60:.0f} min left"
    return (
        f"{progress.title}: seed {progress.newest.seed}: "
        f"{100 * progress.newest_accuracy:.2f} % in {progress.newest.seconds:.1f} s "
        f"({progress.num_done} of {progress.num_seeds} seeds{left})"
    )


@contextmanager
def showing_file_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of the files that have been read, on a terminal only."""
    with _build_bar(MofNCompleteColumn(), TextColumn("files"), auto_refresh=True) as bar:
        task = bar.add_task(escape(title), total=None)
        yield lambda num_done, num_files: bar.update(task, completed=num_done, total=num_files)
