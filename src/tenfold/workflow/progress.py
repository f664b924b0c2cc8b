"""Progress of training: a live bar on a terminal or in a notebook, plain lines elsewhere."""

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from tenfold.runs.progress import DrawingProgress, OnProgress, StageProgress, TrainingProgress
from tenfold.system.escaping import escape, print_note

if TYPE_CHECKING:
    from tenfold.workflow.study_progress import OnStudyProgress, StudyProgress

SECONDS_BETWEEN_LINES = 2.0
SECONDS_BETWEEN_DRAWING_LINES = 20.0

AnyProgress = TrainingProgress | DrawingProgress | StageProgress


def is_in_notebook() -> bool:
    """Whether a notebook's kernel runs this: in Jupyter, VS Code, Colab and so on."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def build_bar(*columns: ProgressColumn, auto_refresh: bool = False) -> Progress:
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
def showing_progress(
    title: str, on_progress: OnProgress | None = None, *, is_shown: bool | None
) -> Iterator[OnProgress]:
    """Yield a function that shows the progress of a run, and passes it to `on_progress`.

    With None for `is_shown` only a notebook shows it, and only without `on_progress`.
    """
    with _showing_run(title) if _decide(is_shown, on_progress) else nullcontext() as show:
        yield _call_both(show, on_progress)


@contextmanager
def showing_study_progress(
    on_progress: "OnStudyProgress | None" = None, *, is_shown: bool | None
) -> Iterator["OnStudyProgress"]:
    """The same for a study: a line for each finished run, and on a terminal a bar below.

    A notebook shows one line, with the newest run.
    """
    with _showing_study() if _decide(is_shown, on_progress) else nullcontext() as show:
        yield _call_both(show, on_progress)


def _decide(is_shown: bool | None, on_progress: object) -> bool:
    return on_progress is None and is_in_notebook() if is_shown is None else is_shown


def _call_both(
    show: Callable[[Any], None] | None, on_progress: Callable[[Any], None] | None
) -> Callable[[Any], None]:
    functions = [function for function in (show, on_progress) if function is not None]

    def call(progress: object) -> None:
        for function in functions:
            function(progress)

    return call


@contextmanager
def _showing_run(title: str) -> Iterator[OnProgress]:
    if is_in_notebook():
        line = _NotebookLine(title)
        try:
            yield line.show_training
        finally:
            line.end()
        return
    bar = build_bar(TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:,.0f} images/s"))
    if bar.disable:
        yield _PlainLines(title)
        return
    with bar:
        yield from _show_in_bar(bar, escape(title))


def _show_in_bar(bar: Progress, title: str) -> Iterator[OnProgress]:
    task = bar.add_task(title, total=None, loss=0.0, speed=0.0)
    spinner = bar.console.status("")  # has a thread, which does not matter after training

    def show(progress: AnyProgress) -> None:
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

    try:
        yield show
    finally:
        spinner.stop()


def _describe(progress: AnyProgress) -> str:
    match progress:
        case DrawingProgress():
            return (
                f"{progress.num_drawn:,} of {progress.num_scenes:,} images generated, "
                f"{_format_left(progress.seconds_left)}"
            )
        case TrainingProgress():
            return (
                f"epoch {progress.epoch}/{progress.num_epochs}, loss {progress.mean_loss:.4f}, "
                f"{progress.images_per_second:,.0f} images/s, {_format_left(progress.seconds_left)}"
            )
        case StageProgress():
            return progress.stage


def _format_left(seconds: float) -> str:
    return f"{seconds:.0f} s left" if seconds < 100 else f"{seconds / 60:.0f} min left"


class _PlainLines:
    """Prints a line after an epoch, at most one every two seconds, and one for each stage."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.last = time.monotonic()

    def __call__(self, progress: AnyProgress) -> None:
        seconds = time.monotonic() - self.last
        match progress:
            case DrawingProgress():
                is_end = progress.num_drawn == progress.num_scenes
                is_due = is_end or seconds >= SECONDS_BETWEEN_DRAWING_LINES
            case TrainingProgress():
                num_steps, num_epochs = progress.num_steps, progress.num_epochs
                is_epoch_end = progress.step * num_epochs == progress.epoch * num_steps
                is_due = progress.step == num_steps or (
                    is_epoch_end and seconds >= SECONDS_BETWEEN_LINES
                )
            case StageProgress():
                is_due = True
        if is_due:
            self.last = time.monotonic()
            print_note(f"{self.title}: {_describe(progress)}")


class _NotebookLine:
    """A bar and a line below a notebook's cell, which need no ipywidgets.

    They are HTML that is replaced, so a saved notebook has the last state alone.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.last: tuple[float, str] | None = None  # the share and the text of the last epoch
        self.handle: Any = None

    def show(self, share: float | None, text: str) -> None:
        """Show the share that is done, if it is known, and a text."""
        from IPython.display import display

        value = "" if share is None else f' value="{share:.4f}"'
        line = f"{self.title}: {text}"
        kinds = {
            "text/plain": line,
            "text/html": f"<progress{value}></progress> {html.escape(line)}",
        }
        if self.handle is None:
            self.handle = display(kinds, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(kinds, raw=True)

    def show_training(self, progress: AnyProgress) -> None:
        """Show the progress of a run."""
        share = None
        match progress:
            case DrawingProgress():
                share = progress.num_drawn / progress.num_scenes
            case TrainingProgress():
                share = progress.step / progress.num_steps
                self.last = share, _describe(progress).removesuffix(", 0 s left")
        self.show(share, _describe(progress))

    def end(self) -> None:
        """Leave the state at the end of training, or where it was stopped."""
        if self.last is not None:
            self.show(*self.last)


@contextmanager
def _showing_study() -> Iterator[Callable[["StudyProgress"], None]]:
    if is_in_notebook():
        lines: dict[str, _NotebookLine] = {}
        yield lambda progress: lines.setdefault(progress.title, _NotebookLine(progress.title)).show(
            progress.share, _describe_study(progress)
        )
        return
    tasks = {}
    with build_bar(TextColumn("{task.fields[done]} seeds")) as bar:

        def show(progress: "StudyProgress") -> None:
            if progress.newest is not None:
                print_note(f"{progress.title}: {_describe_study(progress)}")  # above the bar
            if progress.title not in tasks:
                tasks[progress.title] = bar.add_task(escape(progress.title), total=1.0, done="")
            bar.update(
                tasks[progress.title],
                completed=progress.share,
                done=f"{progress.num_done} of {progress.num_seeds}",
                refresh=True,
            )

        yield show


def _describe_study(progress: "StudyProgress") -> str:
    """How many seeds are done, and the newest run."""
    left = ""
    if progress.num_done < progress.num_seeds and progress.seconds_left is not None:
        left = f", {_format_left(progress.seconds_left)}"
    done = f"{progress.num_done} of {progress.num_seeds} seeds{left}"
    if progress.newest is None:
        return done
    assert progress.newest_accuracy is not None
    return (
        f"seed {progress.newest.seed}: {100 * progress.newest_accuracy:.2f} % in "
        f"{progress.newest.seconds:.1f} s ({done})"
    )
