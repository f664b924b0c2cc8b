from pathlib import Path

import pytest
import torch

import tenfold
from tenfold.cli import main
from tenfold.errors import RecipeError
from tenfold.recipes.catalogue import RECIPES
from tenfold.training.devices import choose_device, describe_device

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_the_processor_can_be_chosen() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert describe_device(torch.device("cpu")) == {}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_auto_is_the_processor_and_cuda_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert choose_device("auto") == torch.device("cpu")
    assert main(["train", "--device", "cuda"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("tenfold: --device cuda: ")
    assert "use --device cpu" in message


def test_other_devices_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"^--device .*auto, cpu or cuda, not tpu$"):
        choose_device("tpu")


@pytest.mark.gpu
@NEEDS_GPU
@pytest.mark.parametrize("name", ["classic", "strong"])
def test_accuracy_on_a_gpu_is_that_on_the_processor(
    name: str, small_data: Path, tmp_path: Path
) -> None:
    recipe = RECIPES[name].replace(epochs=4, batch_size=20)
    runs = {
        device: tenfold.train(recipe, data=small_data, out=tmp_path / device, device=device)
        for device in ("cpu", "cuda")
    }
    assert runs["cuda"].config.device == "cuda"
    assert abs(runs["cuda"].accuracy - runs["cpu"].accuracy) < 0.05


@pytest.mark.gpu
@NEEDS_GPU
def test_training_on_a_gpu_is_reproducible(small_data: Path, tmp_path: Path) -> None:
    recipe = RECIPES["strong"].replace(epochs=2, batch_size=20)
    first, second = (
        tenfold.train(recipe, data=small_data, out=tmp_path / str(i), device="cuda", report=False)
        for i in range(2)
    )
    assert first.training.weights_sha256 == second.training.weights_sha256
