"""`tenfold export`."""

from dataclasses import asdict
from pathlib import Path

from tenfold.cli.options import AsJson, MovedData
from tenfold.cli.output import print_json, print_rows
from tenfold.errors import RunError


def export(
    run: Path,
    out: Path | None = None,
    /,
    *,
    calibration: Path | None = None,
    data: MovedData | None = None,
    json: AsJson = False,
) -> None:
    """Write a finished run's model as one ONNX file, for `tenfold read`.

    Parameters
    ----------
    run
        The folder of a finished run.
    out
        The file to write; by default model.onnx in the run's folder.
    calibration
        A hold-out run of the same recipe; its temperature and thresholds go into the file.
    """
    if out is not None and out.is_dir():
        raise RunError(
            f"{out} is a folder, and the second argument is the file to write; export several runs "
            "one by one"
        )

    from tenfold.runs.folder import load_run
    from tenfold.workflow.export import export_run

    exported = export_run(run, out, calibration=calibration, data=data)
    if json:
        print_json({**asdict(exported), "path": str(exported.path)})
        return
    recipe = load_run(run).config.recipe
    calibrated = "by a hold-out run"
    if not exported.is_calibrated:
        calibrated = "no: name a hold-out run with --calibration"
    elif recipe.calibrates:  # its runs keep images for calibration
        calibrated = "by the run itself" if calibration is None else f"by the run {calibration}"
    compared = (
        f"{exported.num_compared:,} images, probabilities within "
        f"{exported.largest_difference:.1e} of the run's"
    )
    print_rows(
        ("model", exported.path),
        ("size", f"{exported.num_bytes / 1e6:.2f} MB"),
        ("calibrated", calibrated),
        ("compared", compared),
        ("next", f"tenfold read image.png --model {exported.path}"),
    )
