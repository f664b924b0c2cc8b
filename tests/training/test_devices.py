from pathlib import Path

import pytest
import torch

import tenfold
from tenfold.cli import main
from tenfold.errors import RecipeError
from tenfold.training.devices import choose_device, describe_device

HAS_GPU = torch.cuda.is_available()


def test_the_processor_can_be_asked_for() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert describe_device(torch.device("cpu")) == {}


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_without_a_gpu_the_processor_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_device("auto") == torch.device("cpu")
    assert main(["train", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == (
        "tenfold: --device: expected a GPU that this build of PyTorch can use, found none. Use "
        "--device cpu.\n"
    )


def test_other_devices_are_refused() -> None:
    with pytest.raises(RecipeError) as raised:
        choose_device("tpu")
    assert str(raised.value) == "--device: expected auto, cpu or cuda, found tpu"


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="there is no GPU")
@pytest.mark.parametrize("name", ["classic", "strong"])
def test_a_gpu_learns_as_the_processor_does(name: str, small_data: Path, tmp_path: Path) -> None:
    recipe = tenfold.RECIPES[name].replace(epochs=4, batch_size=20)
    runs = {
        device: tenfold.train(recipe, data=small_data, out=tmp_path / device, device=device)
        for device in ("cpu", "cuda")
    }
    assert runs["cuda"].config.device == "cuda"
    assert abs(runs["cuda"].accuracy - runs["cpu"].accuracy) < 0.05


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="there is no GPU")
def test_a_gpu_gives_the_same_weights_again(small_data: Path, tmp_path: Path) -> None:
    recipe = tenfold.RECIPES["strong"].replace(epochs=2, batch_size=20)
    first, second = (
        tenfold.train(recipe, data=small_data, out=tmp_path / str(i), device="cuda", report=False)
        for i in range(2)
    )
    assert first.training.weights_sha256 == second.training.weights_sha256
