"""The progress of reading many files, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import MofNCompleteColumn, TextColumn

from tenfold.system.escaping import escape
from tenfold.workflow.progress import build_bar


@contextmanager
def showing_file_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of the files that have been read, on a terminal only."""
    with build_bar(MofNCompleteColumn(), TextColumn("files"), auto_refresh=True) as bar:
        task = bar.add_task(escape(title), total=None)
        yield lambda num_done, num_files: bar.update(task, completed=num_done, total=num_files)
