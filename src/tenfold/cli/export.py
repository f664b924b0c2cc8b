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
    hub: Path | None = None,
    license: str | None = None,
    calibration: Path | None = None,
    data: MovedData | None = None,
    json: AsJson = False,
) -> None:
    """Write a finished run's model as one ONNX file, for `tenfold read`, or as a folder to share.

    Parameters
    ----------
    run
        The folder of a finished run.
    out
        The file to write; by default model.onnx in the run's folder.
    hub
        A folder to write instead, for the Hugging Face Hub: the weights, the ONNX file, config.json
        and README.md, a model card. It must be new, empty, or written by this command before.
    license
        With --hub: the Hub's name of the licence that you give the weights, such as mit; by default
        the card says that none has been chosen.
    calibration
        A hold-out run of the same recipe; its temperature and thresholds go into the file.
    """
    if hub is not None and out is not None:
        raise RunError(f"--hub writes model.onnx into {hub}; leave out {out}")
    if hub is None and license is not None:
        raise RunError("--license is for the model card, which only --hub writes")
    if out is not None and out.is_dir():
        raise RunError(
            f"{out} is a folder, and the second argument is the file to write; export several runs "
            "one by one"
        )

    from tenfold.runs.folder import load_run
    from tenfold.workflow.export import export_run

    if hub is None:
        exported = export_run(run, out, calibration=calibration, data=data)
    else:
        from tenfold.workflow.hub import export_hub

        exported = export_hub(run, hub, license_id=license, calibration=calibration, data=data)
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
    following = f"tenfold read image.png --model {exported.path}"
    if hub is not None:
        following = f"hf upload USER/NAME {exported.path}    (look at README.md in it first)"
    print_rows(
        ("model", exported.path),
        ("size", f"{exported.num_bytes / 1e6:.2f} MB"),
        ("calibrated", calibrated),
        ("compared", compared),
        ("next", following),
    )
