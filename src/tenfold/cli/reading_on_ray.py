"""`tenfold read --on ray`: a folder of images to a folder of Parquet files."""

from dataclasses import asdict
from pathlib import Path

from tenfold.cli.output import print_json, print_note, print_rows
from tenfold.cli.read_options import ReadOptions
from tenfold.errors import ReadingError


def read_on_ray(paths: tuple[str, ...], options: ReadOptions) -> int:
    """Read the first folder into the second; return 1 if an image could not be read."""
    from tenfold.cli.progress import showing_file_progress
    from tenfold.cluster.connecting import check_cluster_flags
    from tenfold.cluster.reading import read_folder

    for name in ("csv", "out", "watch", "annotate", "stages", "top", "form", "xlsx"):
        if getattr(options, name):
            raise ReadingError(
                f"--{name} cannot be combined with --on ray, which writes Parquet files"
            )
    check_cluster_flags(options.on, address=options.address)
    if len(paths) != 2:
        raise ReadingError(
            "--on ray needs a folder of images and a folder for the readings: "
            "tenfold read --on ray scans/ readings/"
        )
    images, out = map(Path, paths)
    try:
        with showing_file_progress(str(images)) as show:
            done = read_folder(
                images,
                out,
                reading=options.reading,
                model=options.model,
                lines=options.lines,
                address=options.address,
                on_progress=show,
            )
    except KeyboardInterrupt as error:
        error.add_note(f"run the same command again to continue in {out}")
        raise
    if done.num_before == sum(done.counts.values()):
        print_note(f"{out} already has all images; delete it to read them again")
    if options.json:
        print_json({"out": str(out), **asdict(done)})
    else:
        print_rows(
            ("readings", out),
            *((status.replace("_", " "), f"{count:,}") for status, count in done.counts.items()),
            ("read earlier", f"{done.num_before:,}"),
            ("not images, skipped", f"{done.num_left_out:,}"),
        )
    return 1 if done.counts["error"] else 0
