"""The tool that trains the reader's page network and line network."""

import dataclasses
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import train_reading
from tenfold.models.line_network import LineNetwork
from tenfold.reading.line_reader import LABELS, LineReader, load_line_reader
from tenfold.reading.page_segmenter import PageSegmenter, load_page_segmenter
from tenfold.synthetic.samples import SampleBank
from tenfold.system.processes import starting_pool
from train_reading import CHECKPOINT, TASKS, Batch, Task, train

NUM_CHUNKS = 3
NAMES = list(TASKS)


@pytest.fixture(autouse=True)
def tiny_tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tasks that end in seconds, and pictures that are drawn in this process."""

    @contextmanager
    def starting_thread(*_: object) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(1) as pool:
            yield pool

    for name, task in TASKS.items():
        tiny = dataclasses.replace(task, num_chunks=NUM_CHUNKS, chunk_size=4, batch_size=2)
        monkeypatch.setitem(TASKS, name, tiny)
    monkeypatch.setattr(train_reading, "starting_pool", starting_thread)
    monkeypatch.setattr(train_reading, "SampleBank", partial(SampleBank, num_samples=6))
    monkeypatch.setattr(train_reading, "NUM_CALIBRATED", 20)
    monkeypatch.setattr(train_reading, "_worker", {})
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


def interrupt(monkeypatch: pytest.MonkeyPatch, task: Task, folder: Path, after_chunks: int) -> None:
    """Stop a training that keeps a checkpoint of every chunk."""
    draw_chunks = train_reading._draw_chunks

    def draw_some(task: Task, seed: int, first: int, processes: int) -> Iterator[list[Batch]]:
        for number, batches in enumerate(draw_chunks(task, seed, first, processes)):
            if number == after_chunks:
                raise KeyboardInterrupt
            yield batches

    with monkeypatch.context() as patch:
        patch.setattr(train_reading, "SECONDS_BETWEEN_CHECKPOINTS", -1)
        patch.setattr(train_reading, "_draw_chunks", draw_some)
        with pytest.raises(KeyboardInterrupt):
            train(task, folder, None, 0, 1)


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_training_ends_with_the_same_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    weights = train(TASKS[name], whole, None, 0, 1)
    interrupt(monkeypatch, TASKS[name], stopped, after_chunks=2)
    capsys.readouterr()
    assert equal(train(TASKS[name], stopped, None, 0, 1), weights)
    assert capsys.readouterr().out.startswith("chunk 3 of 3, loss ")
    assert not equal(train(TASKS[name], tmp_path, None, 1, 1), weights)


def save_run(folder: Path, network: nn.Module) -> None:
    folder.mkdir()
    weights = {
        f"averaged.{name}": value.contiguous() for name, value in network.state_dict().items()
    }
    save_file(weights, folder / CHECKPOINT)


def test_runs_are_averaged_and_trained_further(tmp_path: Path) -> None:
    networks = [TASKS["page"].build() for _ in range(3)]
    weights = [network.state_dict() for network in networks]
    runs = [tmp_path / str(number) for number in range(3)]
    for run, network in zip(runs, networks, strict=True):
        save_run(run, network)
    mean = train_reading.average_runs(runs)
    for name, value in mean.items():
        expected = torch.stack([one[name].double() for one in weights]).mean(0)
        torch.testing.assert_close(value.double(), expected)
    none = dataclasses.replace(TASKS["page"], num_chunks=0)
    assert equal(train(none, tmp_path, runs[1], 0, 1), weights[1])


def build_short_lines(*, is_coarse: bool) -> nn.Module:
    """A line network with one block of each kind, as the time of an export is that of its depth."""
    network = LineNetwork(len(LABELS), is_coarse=is_coarse)
    network.blocks = nn.Sequential(*(network.blocks[i] for i in (0, 3, 10)))
    network.attention = nn.Sequential(network.attention[0])
    return network


@pytest.mark.slow
@pytest.mark.parametrize("name", ["page", "lines"])
def test_a_network_becomes_a_model_for_reading(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train_reading.py", name, str(tmp_path), "--threads", "1"]
    if name == "page":
        save_run(tmp_path / "run", TASKS["page"].build())
        arguments += ["--average", str(tmp_path / "run")]
    else:
        for is_coarse, task in enumerate(("lines", "coarse-lines")):
            build = partial(build_short_lines, is_coarse=bool(is_coarse))
            monkeypatch.setitem(TASKS, task, dataclasses.replace(TASKS[task], build=build))
        save_run(tmp_path / "coarse", TASKS["coarse-lines"].build())
        arguments += ["--chunks", "1", "--coarse", str(tmp_path / "coarse")]
    monkeypatch.setattr(sys, "argv", arguments)
    train_reading.main()
    model: PageSegmenter | LineReader
    if name == "page":
        model = segmenter = load_page_segmenter(tmp_path / "page.onnx")
        page = segmenter.segment(np.zeros((90, 60, 3), np.uint8))
        assert page is not None
        assert page.text_HW.ndim == 2
    else:
        model = reader = load_line_reader(tmp_path / "lines.onnx")
        assert reader.calibration.is_fitted
        found = reader.read(np.zeros((40, 80), np.uint8))
        assert [each_TK.shape for each_TK in found] == [(20, len(LABELS)), (12, len(LABELS))]
        assert reader.card["coarse_mean_of"] == ["coarse"]
    assert model.card["network"] == name
    assert model.card.get("chunks") == (1 if name == "lines" else None)
    assert model.card.get("mean_of") == (["run"] if name == "page" else None)
    assert {"torch", "tenfold"} <= set(model.card["versions"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["page", "--coarse", "."], "--coarse is for lines"),
        (["coarse-lines", "--average", "."], "there is no model of coarse-lines alone"),
        (["lines", "--average", "nowhere"], "nowhere does not exist"),
        (["page", "--start", __file__], "is not the folder of a run"),
    ],
)
def test_what_makes_no_model_is_refused(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, *options = arguments
    monkeypatch.setattr(sys, "argv", ["train_reading.py", name, str(tmp_path / "new"), *options])
    with pytest.raises(SystemExit):
        train_reading.main()
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_batches_have_pages_of_one_shape() -> None:
    drawn = train_reading.draw_pages(0, range(12), 3)
    for pages_NHWC, classes_NHW in drawn:
        assert pages_NHWC.shape == (*classes_NHW.shape, 3)
        assert len(pages_NHWC) <= 3
    assert sum(len(pages_NHWC) for pages_NHWC, _ in drawn) == 12


def test_batches_have_lines_of_about_one_width() -> None:
    drawn = train_reading.draw_lines(0, range(12), 4)
    widths = [lines_NHW.shape[2] for lines_NHW, _ in drawn]
    assert len(widths) == 3
    assert widths == sorted(widths)
    for lines_NHW, labels_NL in drawn:
        assert lines_NHW.shape[:2] == (4, 40)
        is_label_NL = labels_NL != train_reading.NO_LABEL
        assert is_label_NL.any(1).all()
        assert is_label_NL.any(0).all()
        assert labels_NL[is_label_NL].max() < len(LABELS) - 1  # the last is the blank


def test_processes_draw_the_chunks_that_one_would_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_reading, "starting_pool", starting_pool)
    chunks = list(train_reading._draw_chunks(TASKS["lines"], 0, 1, 1))
    assert len(chunks) == NUM_CHUNKS - 1
    for chunk, batches in enumerate(chunks, 1):
        indices = range(4 * chunk, 4 * chunk + 4)
        expected = train_reading.draw_lines(0, indices, 2)
        for batch, other in zip(batches, expected, strict=True):
            assert all(map(np.array_equal, batch, other))


def test_the_learning_rate_warms_up_and_falls() -> None:
    rates = [train_reading.compute_rate(share) for share in np.linspace(0, 1, 101)]
    assert rates[0] < 0.01
    assert max(rates) == rates[2] > 0.99
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(train_reading.LAST_RATE)
