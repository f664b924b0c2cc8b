"""`tenfold read --on ray`: a folder of images to a folder of Parquet files."""

from pathlib import Path

from tenfold.cli.output import print_json, print_note, print_rows
from tenfold.errors import ReadingError


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
    """Read the first of two folders into the other; 1 if an image could not be read."""
    from tenfold.cluster.connecting import check_cluster_flags
    from tenfold.cluster.reading import read_folder

    check_cluster_flags(on, address=address)
    if len(paths) != 2:
        raise ReadingError(
            "--on ray needs a folder of images and one for the readings: tenfold read --on ray "
            "scans/ readings/"
        )
    images, out = map(Path, paths)
    try:
        done = read_folder(images, out, single=single, model=model, lines=lines, address=address)
    except KeyboardInterrupt as error:
        error.add_note(f"the same command goes on in {out}")
        raise
    if done.num_before == sum(done.counts.values()):
        print_note(f"{out} is complete already; delete it to read everything again")
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
            ("read by earlier calls", f"{done.num_before:,}"),
            ("left out, as no images", f"{done.num_left_out:,}"),
        )
    return 1 if done.counts["error"] else 0
