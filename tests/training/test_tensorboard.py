import sys
from pathlib import Path
from typing import Any

import pytest

import tenfold
from tenfold.errors import MissingExtraError


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulators.EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_event_files_have_every_loss_once_after_resuming(small_data: Path, tmp_path: Path) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    short: dict[str, Any] = {"hidden_sizes": [16], "epochs": 3, "by_epoch": True, "report": False}
    with pytest.raises(KeyboardInterrupt):  # at the end of the first epoch
        tenfold.train(data=small_data, out=tmp_path, tensorboard=True, on_progress=stop, **short)
    run = tenfold.resume(tmp_path)
    scalars = read_scalars(tmp_path / "tensorboard")
    expected = [loss for epoch in run.read_losses() for loss in epoch]
    assert scalars["loss"] == list(enumerate(expected))
    accuracies = run.evaluation.training.epoch_accuracies
    assert [step for step, _ in scalars["accuracy"]] == [11, 23, 35]
    assert [accuracy for _, accuracy in scalars["accuracy"]] == pytest.approx(accuracies)
    assert scalars["accuracy"][-1][1] == pytest.approx(run.accuracy)


def test_a_missing_extra_is_named_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError) as raised:
        tenfold.train("reader", out=tmp_path / "run", tensorboard=True)
    assert str(raised.value).startswith("--tensorboard needs the extra 'tensorboard': pip install")
    assert not (tmp_path / "run").exists()  # and no images were drawn
