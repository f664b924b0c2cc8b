"""`tenfold export`."""

from dataclasses import asdict
from pathlib import Path

from tenfold.cli.output import AsJson, print_json, print_rows


def export(
    run: Path,
    out: Path | None = None,
    /,
    *,
    calibration: Path | None = None,
    data: Path | None = None,
    json: AsJson = False,
) -> None:
    """Write a finished run's model as one ONNX file, for `tenfold read --model`.

    Parameters
    ----------
    run
        The folder of a finished run.
    out
        The file to write; by default model.onnx in the run's folder.
    calibration
        A hold-out run of the same recipe, whose temperature and thresholds the file gets.
    data
        Where the run's data lie now, if that has changed. They must be the same data.
    """
    from tenfold import workflow

    exported = workflow.export_run(run, out, calibration=calibration, data=data)
    if json:
        print_json({**asdict(exported), "path": str(exported.path)})
        return
    calibrated = "by a hold-out run" if exported.is_calibrated else "no: name a hold-out run with "
    print_rows(
        ("model", exported.path),
        ("size", f"{exported.num_bytes / 1e6:.2f} MB"),
        ("calibrated", calibrated + "--calibration" * (not exported.is_calibrated)),
        (
            "compared",
            f"{exported.num_compared:,} images, probabilities within "
            f"{exported.largest_difference:.1e} of the run's",
        ),
        ("next", f"tenfold read image.png --model {exported.path}"),
    )
