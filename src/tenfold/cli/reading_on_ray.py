"""`tenfold read --on ray`: a folder of images to a folder of Parquet files."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.output import print_json, print_note, print_rows
from tenfold.errors import ReadingError

if TYPE_CHECKING:
    from tenfold.cluster.reading import ReadingProgress

SECONDS_BETWEEN_LINES = 5.0


def read_on_ray(
    paths: tuple[str, ...],
    *,
    on: str | None,
    address: str | None,
    single: bool,
    model: Path | None,
    lines: Path | None,
    json: bool,
) -> int:
    """Read the first of two folders into the other; 1 if a file was no image that can be read."""
    from tenfold.cluster.chunks import ReadingOptions
    from tenfold.cluster.connecting import check_place
    from tenfold.cluster.reading import read_folder

    check_place(on, address=address)
    if len(paths) != 2:
        raise ReadingError(
            f"--on ray: expected a folder of images and one for readings, found {len(paths)} "
            "names. Try: tenfold read --on ray scans/ readings/"
        )
    images, out = map(Path, paths)
    try:
        done = read_folder(
            images,
            out,
            address=address,
            options=ReadingOptions(single=single, model=model, lines=lines),
            on_progress=_Lines(out),
        )
    except KeyboardInterrupt as error:
        error.add_note(f"the same command goes on in {out}")
        raise
    if json:
        print_json(
            {
                "out": str(out),
                "counts": done.counts,
                "num_before": done.num_before,
                "num_left_out": done.num_left_out,
            }
        )
    else:
        print_rows(
            ("readings", out),
            *((status.replace("_", " "), f"{count:,}") for status, count in done.counts.items()),
            ("left out, as no images", f"{done.num_left_out:,}"),
        )
    return 1 if done.counts["error"] else 0


class _Lines:
    """A line on stderr of what is there already, and one every few seconds."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.last: float | None = None

    def __call__(self, progress: "ReadingProgress") -> None:
        num_done, last, now = progress.num_done, self.last, time.monotonic()
        is_complete = num_done == progress.num_files
        if last is None:
            self.last = now
            if not num_done:
                return
            line = f"{self.out} has {num_done:,} readings; going on after them"
            if is_complete:
                line = f"{self.out} is complete already; delete it to read everything again"
        elif is_complete or now - last >= SECONDS_BETWEEN_LINES:
            self.last = now
            line = f"{num_done:,} of {progress.num_files:,} files"
        else:
            return
        print_note(line)
