"""Runs as C files, whose answers for all test images are those of the integers in PyTorch."""

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import tenfold
from models.c_programs import classify_in_c, require_program
from readme import find_blocks, find_commands
from tenfold.data.mnist import LabelledImages
from tenfold.errors import DataError, RunError
from tenfold.models.predict import compute_logits
from tenfold.models.quantisation import quantise
from tenfold.models.weights import load_model
from tenfold.recipes.catalogue import build_display_name
from tenfold.recipes.configs import ModelConfig
from tenfold.sklearn import DigitClassifier
from tenfold.workflow.export_c import ExportedC
from tenfold.workflow.images import reload_evaluated, sample_training
from workflow.exports import RECIPES

SEPARABLE = tenfold.RECIPES["chip"].replace(width=12, blocks=[1, 1, 0, 2], batch_size=20, epochs=2)
KINDS = {**RECIPES, "separable": SEPARABLE}
UPRIGHT, COLUMNS = KINDS.pop("upright"), KINDS.pop("columns")
NAMES = tuple(f"class {number}" for number in range(10))


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tenfold.Run]:
    """A finished run of each kind; the one with a reject class has names of classes."""
    return {
        name: tenfold.train(
            recipe,
            data=small_data,
            out=tmp_path_factory.mktemp("runs") / name,
            class_names=NAMES if name == "scenes" else None,
            threads=1,
            report=False,
        )
        for name, recipe in KINDS.items()
    }


@pytest.fixture(params=KINDS)
def run(request: pytest.FixtureRequest, runs: dict[str, tenfold.Run]) -> tenfold.Run:
    """Each kind in turn."""
    return runs[request.param]


@pytest.fixture
def exported(run: tenfold.Run, tmp_path: Path) -> ExportedC:
    return tenfold.export_c(run, tmp_path / "exported/model.c")


def compute_scores(run: tenfold.Run, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """The scores of the integers in PyTorch."""
    model = load_model(run.config.recipe.model, run.config.seed, run.weights_path)
    return quantise(model, sample_training(run.config, "it", None)).compute_scores(images_NHW)


def test_all_test_images_have_the_scores_of_the_integers_in_pytorch(
    run: tenfold.Run, exported: ExportedC, test_images: LabelledImages, tmp_path: Path
) -> None:
    images_NHW, labels_N = test_images.images_NHW, test_images.labels_N
    expected_NK = compute_scores(run, images_NHW)
    returned_N, scores_NK = classify_in_c(
        exported.path.read_text(), images_NHW, tmp_path, "-O2", num_answers=expected_NK.shape[1]
    )
    assert len(scores_NK) == 10_000
    np.testing.assert_array_equal(scores_NK, expected_NK)
    np.testing.assert_array_equal(returned_N, expected_NK.argmax(1))
    # What is printed is about the 500 images that the run was evaluated on. The accuracy is among
    # the digits alone; both models may give the reject class.
    digits_N = scores_NK[:500, :10].argmax(1)
    compared = exported.compared
    assert compared.num_images == 500
    assert compared.accuracy == (digits_N == labels_N[:500]).mean()
    assert compared.float_accuracy == run.accuracy
    config = run.config
    model = load_model(config.recipe.model, config.seed, run.weights_path)
    floats_N = compute_logits(model, images_NHW[:500]).argmax(1)
    assert compared.agreement == (returned_N[:500] == floats_N).mean() > 0.9
    assert f"{compared.num_images} test images" in compared.describe()


def test_the_program_of_the_page_classifies(
    runs: dict[str, tenfold.Run], test_images: LabelledImages, tmp_path: Path
) -> None:
    [program] = find_blocks("c", "docs/microcontrollers.md")
    (tmp_path / "main.c").write_text(program)
    tenfold.export_c(runs["perceptron"], tmp_path / "model.c")
    [command] = find_commands("gcc", "docs/microcontrollers.md")
    subprocess.run([require_program("gcc"), *command.split()[1:]], cwd=tmp_path, check=True)
    images_NHW = test_images.images_NHW[:20]
    done = subprocess.run(
        [tmp_path / "classify"], input=images_NHW.tobytes(), capture_output=True, check=True
    )
    expected_N = compute_scores(runs["perceptron"], images_NHW).argmax(1)
    np.testing.assert_array_equal([int(line) for line in done.stdout.split()], expected_N)


def test_the_file_says_what_it_is(run: tenfold.Run, exported: ExportedC, tmp_path: Path) -> None:
    code = exported.path.read_text()
    comment = " ".join(code[: code.index("*/")].replace(" * ", " ").split())
    num_answers = 11 if run.path.name == "scenes" else 10
    assert (
        f"int digit_classify(const uint8_t pixels[784], int32_t scores[{num_answers}])" in comment
    )
    assert ("or 10 if the image shows no digit" in comment) == (num_answers == 11)
    recipe = build_display_name(run.config.recipe)
    assert f"recipe {recipe} seed {run.config.seed} weights SHA-256 " in comment
    assert (
        f"SHA-256 {run.training.weights_sha256} accuracy {exported.compared.describe()}" in comment
    )
    assert f"constants {exported.num_constant_bytes:,} bytes" in comment
    assert f"memory {exported.num_memory_bytes:,} bytes" in comment
    assert (f"classes {', '.join(NAMES)}" in comment) == (num_answers == 11)
    assert exported.num_constant_bytes > 0.9 * run.training.num_parameters
    again = tenfold.export_c(str(run.path), str(tmp_path / "again.c"))
    assert again.path.read_text() == code


def test_ranges_come_from_images_that_the_run_was_trained_on(
    runs: dict[str, tenfold.Run],
    small_data: Path,
    training: LabelledImages,
    few_readings: None,
    tmp_path: Path,
) -> None:
    sample_NHW = sample_training(runs["perceptron"].config, "it", None)
    assert sample_NHW.shape == (1000, 28, 28)
    known = {image_HW.tobytes() for image_HW in training.images_NHW[:1200]}
    assert {image_HW.tobytes() for image_HW in sample_NHW} < known
    np.testing.assert_array_equal(sample_NHW[[0, -1]], training.images_NHW[[0, 1199]])
    recipe = RECIPES["perceptron"].replace(epochs=1)
    held_out = tenfold.train(
        recipe, holdout=True, data=small_data, out=tmp_path / "run", threads=1, report=False
    )
    evaluated = reload_evaluated(held_out.config, "it", None)
    images = {image_HW.tobytes() for image_HW in sample_training(held_out.config, "it", None)}
    assert len(images) == 1000
    assert not images & {image_HW.tobytes() for image_HW in evaluated.images_NHW}


def test_data_must_be_those_of_the_run(
    runs: dict[str, tenfold.Run], training: LabelledImages, test_images: LabelledImages
) -> None:
    run = runs["perceptron"]
    test = test_images.images_NHW[:500], test_images.labels_N[:500]
    pair = training.images_NHW[:1200], training.labels_N[:1200]
    out = run.path / "model.c"
    with pytest.raises(DataError, match=r"^the arrays: not the training data of the run /"):
        tenfold.export_c(run, out, data=(test, test))
    assert not out.exists()
    assert tenfold.export_c(run, out, data=(pair, test)).path == out
    with pytest.raises(RunError, match=r"config\.json: is a file of the run; .* as model\.c$"):
        tenfold.export_c(run, run.path / "config.json")
    tenfold.load_run(run.path)


def test_a_saved_estimator_is_compared_on_what_it_was_fitted_on(
    training: LabelledImages, tmp_path: Path
) -> None:
    data = training.images_NHW[:600], training.labels_N[:600]
    classifier = DigitClassifier(RECIPES["perceptron"].replace(epochs=1))
    classifier.fit(*data)
    classifier.save(tmp_path / "run")
    exported = tenfold.export_c(tmp_path / "run", tmp_path / "model.c", data=data)
    assert exported.compared.num_images == 600
    assert exported.compared.agreement > 0.97


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (tenfold.ModuleConfig("own_models:Net", {}), "a model of your own"),
        (UPRIGHT.model, "a network that makes digits upright"),
        (COLUMNS.model, "a network that makes digits upright"),
        (COLUMNS.replace(upright_px=0).model, "a network of several columns"),
    ],
)
def test_other_models_are_refused(
    small_data: Path, tmp_path: Path, model: ModelConfig, what: str
) -> None:
    recipe = tenfold.Recipe(name="other", summary="another model", model=model, epochs=1)
    run = tenfold.train(recipe, data=small_data, out=tmp_path / "run", threads=1, report=False)
    with pytest.raises(RunError, match=rf"/run: {what} cannot be exported as C; `ten"):
        tenfold.export_c(run, tmp_path / "model.c")
    assert not (tmp_path / "model.c").exists()
