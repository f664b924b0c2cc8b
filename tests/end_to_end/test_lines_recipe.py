"""The `lines` recipe from training to an exported model, with a small network and little data."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tenfold
from made_studies import present
from tenfold.cli import main
from tenfold.errors import RecipeError
from tenfold.models.build import build_model
from tenfold.models.line_network import LineNetwork
from tenfold.reading.digit_classifier import BUNDLED_MODEL
from tenfold.reading.line_reader import LineReader
from tenfold.recipes.catalogue import CLASSIC, LINES
from tenfold.recipes.recipe import Recipe
from tenfold.synthetic import text_lines as writing
from tenfold.system.json_types import to_json
from tenfold.training.weights import load_weights
from tenfold.workflow import calibrate as calibration
from tenfold.workflow.export import Exported, export_run

SMALL = LINES.replace(channels=(4, 6, 8, 10, 12), scenes=120, epochs=2, batch_size=20)


def train(data: Path, out: Path, *, holdout: bool = False) -> tenfold.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "NUM_LINES", 60)  # 4,000 take a minute
        patch.setattr(calibration, "NUM_LINES_FOR_TEMPERATURE", 20)
        patch.setattr(writing, "POOL_SIZE", 300)
        return tenfold.train(
            SMALL, seed=1, data=data, out=out, holdout=holdout, threads=1, report=False
        )


@pytest.fixture(scope="module")
def run(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    return train(small_data, tmp_path_factory.mktemp("runs") / "lines")


@pytest.fixture(scope="module")
def exported(run: tenfold.Run) -> Exported:
    return export_run(run)


def test_the_loss_falls_and_the_run_is_evaluated_on_digits(run: tenfold.Run) -> None:
    losses = run.read_losses()
    assert [len(epoch) for epoch in losses] == [6, 6]
    assert min(losses[1]) < losses[0][0]  # twelve steps do not promise more
    assert 0 <= run.accuracy <= 1
    assert run.evaluation.num_images == 500
    assert run.evaluation.part == "test"


def test_a_run_calibrates_itself_on_lines(run: tenfold.Run) -> None:
    found = run.calibration
    expected = {"temperature", "read", "not_digit", "calibration_error"}
    assert set(to_json(found)) == expected | {"lines", "lines_right", "lines_read"}
    assert 50 < present(found.lines) <= 60
    assert 0.2 <= found.temperature <= 5
    assert 0 <= present(found.lines_read) <= 1


def test_a_hold_out_run_has_the_same_weights_and_calibration(
    run: tenfold.Run, small_data: Path, tmp_path: Path
) -> None:
    held_out = train(small_data, tmp_path / "held-out", holdout=True)
    assert held_out.training.weights_sha256 == run.training.weights_sha256
    assert held_out.calibration == run.calibration
    assert held_out.evaluation.part == "validation"


def test_an_exported_model_gives_the_same_probabilities_as_the_run(
    run: tenfold.Run, exported: Exported
) -> None:
    assert exported.is_calibrated
    assert exported.num_compared == 500
    assert exported.largest_difference < 1e-4
    reader = LineReader(exported.path.read_bytes(), "it")
    assert reader.card["recipe"]["name"] == "lines"
    model = build_model(run.config.recipe.model, run.config.seed)
    load_weights(model, run.weights_path)
    model.eval()
    assert isinstance(model, LineNetwork)
    for width in (8, 100, 1024):
        line_HW = np.random.default_rng(width).integers(0, 256, (32, width), np.uint8)
        with torch.inference_mode():
            logits_TK = model.compute_columns(torch.tensor(line_HW)[None] / 255)[0]
        expected_TK = (logits_TK / run.calibration.temperature).softmax(1).numpy()
        np.testing.assert_allclose(np.exp(reader.read(line_HW)), expected_TK, atol=2e-5)


def test_a_reader_takes_the_exported_model(exported: Exported) -> None:
    page = np.full((80, 160), 255, np.uint8)
    page[15:65, 55:61] = page[15:65, 85:91] = 20
    reading = tenfold.Reader(lines=exported.path).read(page)
    assert reading.status in ("read", "uncertain")  # it learned too little to be sure


@pytest.mark.parametrize(
    ("recipe", "changes", "fault"),
    [
        (LINES, {"scenes": 0}, "--scenes"),
        (LINES, {"shift_px": 1.0}, ".*augmentation"),
        (CLASSIC, {"scenes": 5}, "--scenes"),
    ],
)
def test_an_impossible_combination_of_settings_is_refused(
    recipe: Recipe, changes: dict[str, float], fault: str
) -> None:
    with pytest.raises(RecipeError, match=f"^{fault}"):
        recipe.replace(**changes)


def test_export_names_the_next_command_and_the_source_of_the_calibration(
    run: tenfold.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lines.onnx"
    assert main(["export", str(run.path), str(path)]) == 0
    printed = capsys.readouterr().out
    assert "calibrated  by the run itself\n" in printed
    assert f"next        tenfold read image.png --lines {path}\n" in printed
    assert main(["export", str(run.path), str(path), "--calibration", str(run.path)]) == 0
    assert f"calibrated  by the run {run.path}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("used", "right"), [("--model", "--lines"), ("--lines", "--model")])
def test_a_model_given_to_the_wrong_flag_names_the_right_one(
    used: str, right: str, exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "image.png"
    assert main(["data", "--sheet", str(image)]) == 0
    capsys.readouterr()
    model = exported.path if used == "--model" else BUNDLED_MODEL
    assert main(["read", str(image), used, str(model)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"tenfold: {model}: ")
    assert right in message
