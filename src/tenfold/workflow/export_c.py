"""`tenfold.export_c`: a run's model as a C file for microcontrollers.

Torch is imported when a call needs it.
"""

from dataclasses import dataclass
from pathlib import Path

from tenfold._version import __version__
from tenfold.errors import RunError
from tenfold.recipes.catalogue import build_display_name
from tenfold.recipes.configs import ConvolutionalConfig, ModelConfig
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.upright import UprightConfig
from tenfold.runs.folder import Run, load_run
from tenfold.system.files import write_file
from tenfold.workflow.arguments import get_run_path, require_train_extra
from tenfold.workflow.evaluate import load_model
from tenfold.workflow.export import check_path
from tenfold.workflow.images import Data, reload_evaluated, sample_training
from tenfold.workflow.quantised import QuantisedAccuracy, compare_answers


@dataclass(frozen=True, kw_only=True)
class ExportedC:
    """The file, the bytes of its constant arrays and of its static memory, and how good it is."""

    path: Path
    num_constant_bytes: int
    num_memory_bytes: int
    compared: QuantisedAccuracy


def export_c(run: str | Path | Run, out: str | Path, *, data: Data | None = None) -> ExportedC:
    """Write a run's model as one C99 file that computes with integers, for microcontrollers.

    Its function is `int digit_classify(const uint8_t pixels[784], int32_t scores[10])`. With a
    reject class there are 11 scores, and the function returns 10 for an image without a digit. A
    thousand training images give the ranges of activations; `data` is as in `export_run`. The
    accuracy is that of the same integers in PyTorch, on the images that the run was evaluated on.

    Raises RunError if the folder holds no finished run, its model is one of your own, makes digits
    upright or has several columns, or `out` is a folder or another file of the run; DataError if
    the data cannot be read.
    """
    require_train_extra()
    run = load_run(get_run_path(run))
    config, path, owner = run.config, Path(out), f"the run {run.path}"
    check_path(path, run, ".c")
    if (what := _find_obstacle(config.recipe.model)) is not None:
        raise RunError(
            f"{run.path}: {what} cannot be exported as C; `tenfold export RUN --int8` "
            "quantises any model that ONNX can express"
        )
    evaluated = reload_evaluated(config, owner, data)
    ranges_NHW = sample_training(config, owner, data)

    from tenfold.models.c_code import build_c_code
    from tenfold.models.predict import compute_logits
    from tenfold.models.quantisation import quantise

    model = load_model(config.recipe, config.seed, run.weights_path, config.versions)
    network = quantise(model, ranges_NHW)
    scores_NK = network.compute_scores(evaluated.images_NHW)
    logits_NK = compute_logits(model, evaluated.images_NHW)
    compared = compare_answers(config, evaluated, scores_NK, logits_NK)
    facts = {
        "written by": f"Tenfold {__version__}",
        "recipe": build_display_name(config.recipe),
        "seed": str(config.seed),
        "weights": f"SHA-256 {run.training.weights_sha256}",
        "accuracy": compared.describe(),
    }
    if config.class_names:
        facts["classes"] = ", ".join(config.class_names)
    code = build_c_code(network, facts)
    write_file(path, code.text)
    return ExportedC(
        path=path,
        num_constant_bytes=code.num_constant_bytes,
        num_memory_bytes=code.num_memory_bytes,
        compared=compared,
    )


def _find_obstacle(model: ModelConfig) -> str | None:
    """What kind of a model cannot be exported as C; None if it can be."""
    if isinstance(model, ModuleConfig):
        return "a model of your own"
    if isinstance(model, UprightConfig):
        return "a network that makes digits upright"
    if isinstance(model, ConvolutionalConfig):
        if model.upright_px:
            return "a network that makes digits upright"
        if model.columns > 1:
            return "a network of several columns"
    return None
