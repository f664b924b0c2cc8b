"""`tenfold.export_int8`: a run's model as a quantised ONNX file.

Torch is imported when a call needs it.
"""

from dataclasses import dataclass
from pathlib import Path

from tenfold.errors import RunError
from tenfold.reading.digit_classifier import Classifier
from tenfold.runs.folder import Run, load_run
from tenfold.system.files import write_file
from tenfold.workflow.arguments import get_run_path, require_train_extra
from tenfold.workflow.export import check_path, convert_run, find_calibration
from tenfold.workflow.images import Data, reload_evaluated, sample_training
from tenfold.workflow.quantised import QuantisedAccuracy, compare_answers


@dataclass(frozen=True, kw_only=True)
class ExportedInt8:
    """The file, its size and that of the file that `export_run` writes, and how good it is."""

    path: Path
    num_bytes: int
    num_float_bytes: int
    is_calibrated: bool
    compared: QuantisedAccuracy


def export_int8(
    run: str | Path | Run,
    out: str | Path | None = None,
    *,
    calibration: str | Path | Run | None = None,
    data: Data | None = None,
) -> ExportedInt8:
    """Write a run's model as a quantised ONNX file, by default `model-int8.onnx` in its folder.

    Weights are int8, with a scale for each channel, and activations uint8. ONNX Runtime quantises
    the file that `export_run` writes; a thousand training images give the ranges of activations.
    The calibration, `calibration` and `data` are as in `export_run`.

    Raises like `export_run`.
    """
    require_train_extra()
    run = load_run(get_run_path(run))
    path = run.path / "model-int8.onnx" if out is None else Path(out)
    check_path(path, run, ".onnx")
    if path.resolve() == (run.path / "model.onnx").resolve():
        raise RunError(f"{path}: is for the model in floating point; name another file")
    exported = convert_run(run, path, find_calibration(run, calibration), data)
    owner = f"the run {run.path}"
    ranges_NHW = sample_training(run.config, owner, data)
    evaluated = reload_evaluated(run.config, owner, data)

    from tenfold.models.quantised_onnx import quantise_onnx

    content = quantise_onnx(exported.content, ranges_NHW)
    quantised_NK, float_NK = (
        Classifier(one, str(path)).classify(evaluated.images_NHW)
        for one in (content, exported.content)
    )
    write_file(path, content)
    return ExportedInt8(
        path=path,
        num_bytes=len(content),
        num_float_bytes=len(exported.content),
        is_calibrated=exported.calibration is not None,
        compared=compare_answers(run.config, evaluated, quantised_NK, float_NK),
    )
