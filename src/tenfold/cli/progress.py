"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from tenfold.cli.output import print_note
from tenfold.runs.progress import DrawingProgress, OnProgress, StageProgress, TrainingProgress
from tenfold.system.escaping import escape
from tenfold.workflow.study_progress import StudyProgress

SECONDS_BETWEEN_LINES = 2.0
SECONDS_BETWEEN_DRAWING_LINES = 20.0


@contextmanager
def showing_progress(title: str) -> Iterator[OnProgress]:
    """Yield a function that shows the progress it is called with."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _PlainLines(title)
        return
    title = escape(title)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:,.0f} images/s"),
        TimeRemainingColumn(),
        console=console,
        # A thread that redraws would slow down training.
        auto_refresh=False,
    )
    task = bar.add_task(title, total=None, loss=0.0, speed=0.0)
    spinner = console.status("")  # has a thread, which does not matter after training

    def show(progress: TrainingProgress | DrawingProgress | StageProgress) -> None:
        if isinstance(progress, StageProgress):
            bar.stop()
            spinner.update(Text(f"{title}  {progress.stage}"))
            spinner.start()
            return
        if isinstance(progress, DrawingProgress):
            bar.update(
                task,
                total=progress.num_scenes,
                completed=progress.num_drawn,
                description=f"{title}  generating images",
                refresh=True,
            )
            return
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
        if isinstance(progress, StageProgress):
            self._print(progress.stage)
            return
        now = time.monotonic()
        if isinstance(progress, DrawingProgress):
            is_end = progress.num_drawn == progress.num_scenes
            if is_end or now - self.last >= SECONDS_BETWEEN_DRAWING_LINES:
                self.last = now
                self._print(
                    f"{progress.num_drawn:,} of {progress.num_scenes:,} images generated, "
                    f"{progress.seconds_left:.0f} s left"
                )
            return
        is_epoch_end = progress.step * progress.num_epochs == progress.epoch * progress.num_steps
        is_end = progress.step == progress.num_steps
        if not is_end and (not is_epoch_end or now - self.last < SECONDS_BETWEEN_LINES):
            return
        self.last = now
        self._print(
            f"epoch {progress.epoch}/{progress.num_epochs}, "
            f"loss {progress.mean_loss:.4f}, {progress.images_per_second:,.0f} images/s, "
            f"{progress.seconds_left:.0f} s left"
        )

    def _print(self, text: str) -> None:
        print_note(f"{self.title}: {text}")


@contextmanager
def showing_study_progress() -> "Iterator[Callable[[StudyProgress], None]]":
    """Show a study's progress: a line for each finished run, and on a terminal a bar below."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _print_newest
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[done]} seeds"),
        TimeRemainingColumn(),
        console=console,
        auto_refresh=False,
    )
    tasks = {}

    def show(progress: "StudyProgress") -> None:
        if progress.title not in tasks:
            tasks[progress.title] = bar.add_task(escape(progress.title), total=1.0, done="")
        if progress.newest is not None:
            bar.console.print(escape(_describe_newest(progress)))
        bar.update(
            tasks[progress.title],
            completed=progress.share,
            done=f"{progress.num_done} of {progress.num_seeds}",
            refresh=True,
        )

    with bar:
        yield show


def _print_newest(progress: "StudyProgress") -> None:
    if progress.newest is not None:
        print_note(_describe_newest(progress))


def _describe_newest(progress: "StudyProgress") -> str:
    assert progress.newest is not None
    assert progress.newest_accuracy is not None
    left = ""
    if progress.num_done < progress.num_seeds and progress.seconds_left is not None:
        left = f", {_describe_seconds(progress.seconds_left)} left"
    return (
        f"{progress.title}: seed {progress.newest.seed}: "
        f"{100 * progress.newest_accuracy:.2f} % in {progress.newest.seconds:.1f} s "
        f"({progress.num_done} of {progress.num_seeds} seeds{left})"
    )


def _describe_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@contextmanager
def showing_file_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of the files that have been read, on a terminal only."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal or console.is_dumb_terminal,
    )
    with bar:
        task = bar.add_task(escape(title), total=None)
        yield lambda num_done, num_files: bar.update(task, completed=num_done, total=num_files)
