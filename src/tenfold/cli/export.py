"""`tenfold export`."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tenfold.cli.options import AsJson, Flag, MovedData
from tenfold.cli.output import print_json, print_rows
from tenfold.errors import RunError

COMPILER = "arm-none-eabi-gcc -std=c99 -Os -mcpu=cortex-m0plus -mthumb -ffreestanding"

CFile = Annotated[
    Path,
    Parameter(
        name="--c",
        help="A C file to write instead, for microcontrollers: the network in integers, as "
        "the function digit_classify.",
    ),
]


def export(
    run: Path,
    out: Path | None = None,
    /,
    *,
    int8: Flag = False,
    c: CFile | None = None,
    hub: Path | None = None,
    license: str | None = None,
    calibration: Path | None = None,
    data: MovedData | None = None,
    json: AsJson = False,
) -> None:
    """Write a finished run's model as one ONNX file, for `tenfold read`, or in another form.

    Parameters
    ----------
    run
        The folder of a finished run.
    out
        The file to write; by default model.onnx in the run's folder, with --int8 model-int8.onnx.
    int8
        Quantise the ONNX file: weights and activations as integers of 8 bits, which makes large
        networks smaller and faster, but not small ones.
    hub
        A folder to write instead, for the Hugging Face Hub: the weights, the ONNX file, config.json
        and README.md, a model card. It must be new, empty, or written by this command before.
    license
        With --hub: the Hub's name of the licence that you give the weights, such as mit; by default
        the card says that none has been chosen.
    calibration
        A hold-out run of the same recipe; its temperature and thresholds go into the file.
    """
    if c is not None:
        given = {str(out): out, "--int8": int8, "--hub": hub}
        _refuse(f"--c writes {c} and no other file", given)
        _refuse("the scores of --c are not calibrated", {"--calibration": calibration})
    elif int8:
        _refuse("--int8 writes one ONNX file and no folder", {"--hub": hub})
    if hub is not None and out is not None:
        raise RunError(f"--hub writes model.onnx into {hub}; leave out {out}")
    if hub is None and license is not None:
        raise RunError("--license is for the model card, which only --hub writes")
    if c is not None:
        _write_c(run, c, data, json)
    elif int8:
        _write_int8(run, out, calibration, data, json)
    else:
        _write_onnx(run, out, hub, license, calibration, data, json)


def _refuse(reason: str, given: Mapping[str, object]) -> None:
    """Raise RunError for the first argument that was given and does not go with another."""
    for name, value in given.items():
        if value:
            raise RunError(f"{reason}; leave out {name}")


def _write_c(run: Path, out: Path, data: Path | None, json: bool) -> None:
    from tenfold.workflow.export_c import export_c

    exported = export_c(run, out, data=data)
    if json:
        print_json({**asdict(exported), "path": str(exported.path)})
        return
    print_rows(
        ("code", exported.path),
        ("constants", f"{exported.num_constant_bytes:,} bytes"),
        ("memory", f"{exported.num_memory_bytes:,} bytes, and the stack"),
        ("accuracy", exported.compared.describe()),
        ("next", f"{COMPILER} -c {shlex.quote(str(exported.path))}"),
    )


def _write_int8(
    run: Path, out: Path | None, calibration: Path | None, data: Path | None, json: bool
) -> None:
    from tenfold.workflow.export_int8 import export_int8

    exported = export_int8(run, out, calibration=calibration, data=data)
    if json:
        print_json({**asdict(exported), "path": str(exported.path)})
        return
    before = _format_size(exported.num_float_bytes)
    print_rows(
        ("model", exported.path),
        ("size", f"{_format_size(exported.num_bytes)}, {before} before"),
        ("calibrated", _describe_calibration(run, calibration, exported.is_calibrated)),
        ("accuracy", exported.compared.describe()),
        ("next", f"tenfold read image.png --model {exported.path}"),
    )


def _write_onnx(
    run: Path,
    out: Path | None,
    hub: Path | None,
    license: str | None,
    calibration: Path | None,
    data: Path | None,
    json: bool,
) -> None:
    from tenfold.workflow.export import export_run
    from tenfold.workflow.hub import export_hub

    if hub is None:
        exported = export_run(run, out, calibration=calibration, data=data)
        following = f"tenfold read image.png --model {exported.path}"
    else:
        exported = export_hub(run, hub, license_id=license, calibration=calibration, data=data)
        following = f"hf upload USER/NAME {exported.path}    (look at README.md in it first)"
    if json:
        print_json({**asdict(exported), "path": str(exported.path)})
        return
    compared = (
        f"{exported.num_compared:,} images, probabilities within "
        f"{exported.largest_difference:.1e} of the run's"
    )
    print_rows(
        ("model", exported.path),
        ("size", _format_size(exported.num_bytes)),
        ("calibrated", _describe_calibration(run, calibration, exported.is_calibrated)),
        ("compared", compared),
        ("next", following),
    )


def _format_size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.2f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.1f} kB"


def _describe_calibration(run: Path, calibration: Path | None, is_calibrated: bool) -> str:
    from tenfold.runs.folder import load_run

    if not is_calibrated:
        return "no: name a hold-out run with --calibration"
    if load_run(run).config.recipe.calibrates:  # its runs keep images for calibration
        return "by the run itself" if calibration is None else f"by the run {calibration}"
    return "by a hold-out run"
