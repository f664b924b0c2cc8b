"""`tenfold.evaluate`, and the evaluation of a run that has just been trained.

Torch and Matplotlib are imported when a call needs them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.data.mnist import LabelledImages
from tenfold.recipes.recipe import Recipe
from tenfold.runs.folder import CALIBRATION, EVALUATION, PREDICTIONS, Run, load_run
from tenfold.runs.progress import OnProgress, StageProgress
from tenfold.system.files import write_file, write_json
from tenfold.training.threads import setting_threads
from tenfold.workflow.arguments import get_run_path, require_train_extra
from tenfold.workflow.images import Data, reload_evaluated, reload_run_images

if TYPE_CHECKING:
    from torch import nn


def evaluate(run: str | Path | Run, *, data: Data | None = None) -> Run:
    """Evaluate a finished run again and replace its evaluation, figures, report and calibration.

    The calibration, if the run has one, is measured again because it depends on how images are
    read. `data` is the folder of the run's data, if it has moved, or its arrays; their checksums
    must match.

    Raises RunError if the folder holds no finished run, DataError if the data cannot be read or are
    not the run's.
    """
    require_train_extra()
    run = load_run(get_run_path(run))
    run.check_evaluated()
    config, validation = run.config, None
    if run.is_calibrated:
        images = reload_run_images(config, run.path, data)
        evaluated, validation = images.evaluated, images.validation
    else:
        evaluated = reload_evaluated(config, f"the run {run.path}", data)
    model = load_model(config.recipe, config.seed, run.weights_path, config.versions)
    with setting_threads(config.threads):
        write_results(run, model, evaluated, validation)
    return load_run(run.path)


def load_model(
    recipe: Recipe, seed: int, weights_path: Path, versions: Mapping[str, str] | None = None
) -> "nn.Module":
    """The model of a recipe with the weights of a run. Raises RunError if they do not fit."""
    from tenfold.models import weights

    return weights.load_model(recipe.model, seed, weights_path, versions)


def write_results(
    run: Run,
    model: "nn.Module",
    evaluated: LabelledImages,
    validation: LabelledImages | None,
    *,
    report: bool = True,
    on_progress: OnProgress | None = None,
) -> None:
    """Evaluate the model of a trained run and calibrate it on the validation images, if any.

    Writes evaluation.json, with `report` also figures, report and predictions, and
    calibration.json.
    """
    from tenfold.evaluation.evaluation import build_evaluation
    from tenfold.evaluation.prediction_tables import dump_predictions
    from tenfold.models.predict import predict
    from tenfold.workflow.calibrate import calibrate

    show = on_progress or (lambda _: None)
    show(StageProgress(stage="evaluating"))
    predictions, losses = predict(model, evaluated.images_NHW), run.read_losses()
    evaluation = build_evaluation(run.config, evaluated, predictions, losses, run.training)
    write_json(run.path / EVALUATION, evaluation)
    if report:
        from tenfold.reports.run_files import write_run_report

        write_run_report(run.path, run.config, evaluation, evaluated, losses)
        table = dump_predictions(evaluated.labels_N, predictions, run.config.class_names)
        write_file(run.path / PREDICTIONS, table)
    if validation is not None:
        show(StageProgress(stage="calibrating"))
        calibration = calibrate(model, run.config.recipe, validation, run.config.seed)
        write_json(run.path / CALIBRATION, calibration)
