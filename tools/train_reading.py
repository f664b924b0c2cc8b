"""Train the reader's page network or line networks, on pictures drawn during training.

    python tools/train_reading.py page runs/page
    python tools/train_reading.py lines runs/lines --start PP-OCRv6_rec_small.onnx
    python tools/train_reading.py coarse-lines runs/coarse --start PP-OCRv6_rec_small.onnx
    python tools/train_reading.py lines runs/both --average runs/lines \
        --coarse PP-OCRv6_rec_small.onnx runs/coarse

The same command continues training that was stopped. At the end, FOLDER/page.onnx or lines.onnx is
a model for `tenfold read`. Line networks start from the weights of PP-OCRv6's small recogniser, a
file in the wheel of rapidocr 3.10.0 (Apache-2.0). `--start` also takes the folder of another run.
`--average` makes the mean of the weights of several runs, without training. `--coarse` adds such a
mean of coarse-lines to a model of lines, as its second network.

Array names carry their axes: N pictures, H rows, W columns, T columns of logits, K classes.
"""

import argparse
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from tenfold.digits import NUM_CLASSES
from tenfold.models.line_network import LineNetwork, LineNetworks, compute_ctc_loss
from tenfold.models.onnx import dump_network, halve_weights
from tenfold.models.page_network import PageNetwork, compute_page_loss
from tenfold.models.pp_ocr import load_pp_ocr
from tenfold.reading import line_reader, page_segmenter
from tenfold.reading.ctc import LogProbs, compute_log_likelihood, decode_greedy
from tenfold.reading.fusion import MIN_LIKELIHOOD
from tenfold.reading.line_image import COLUMN_PX, HEIGHT_PX
from tenfold.reading.probabilities import log_softmax
from tenfold.synthetic.hands import Handwriting, load_handwriting
from tenfold.synthetic.lines import build_line_image
from tenfold.synthetic.pages import build_page
from tenfold.synthetic.samples import SampleBank
from tenfold.system.files import write_file
from tenfold.system.machine import list_versions
from tenfold.system.processes import starting_pool

NO_LABEL = 255  # pads the labels of shorter lines
PAGES_PER_BANK = 2880  # for which one bank of samples serves
CHUNKS_AHEAD = 3
EMA_DECAY, WARM_UP, LAST_RATE = 0.999, 0.02, 0.01
MAX_NORM = 5.0  # of the gradients
NUM_CALIBRATED, CALIBRATION_SEED, RIGHT_IF_READ = 2000, 1_000_000, 0.97
SECONDS_BETWEEN_CHECKPOINTS = 300
CHECKPOINT = "checkpoint.safetensors"

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Task:
    """What one network is trained on and how.

    `draw` gives the batches of one chunk from the seed, the indices of the pictures, and the size
    of a batch.
    """

    build: Callable[[], nn.Module]
    draw: Callable[[int, range, int], list[Batch]]
    compute_loss: Callable[[Tensor, Tensor], Tensor]
    num_chunks: int
    chunk_size: int
    batch_size: int
    learning_rate: float
    last_rate_factor: float  # of the last layer, which may start anew
    weight_decay: float
    model: str | None  # the name of its file; a coarse line network is part of another's


def draw_pages(seed: int, indices: range, batch_size: int) -> list[Batch]:
    """Batches of pages and the classes of their pixels; all pages of a batch have one shape."""
    number = indices.start // PAGES_PER_BANK
    if _worker.get("bank") != number:
        _worker.update(bank=number, samples=SampleBank(_get_handwriting(), seed, number))
    by_shape: dict[tuple[int, ...], list[Batch]] = {}
    for index in indices:
        page_HWC, classes_HW = build_page(_worker["samples"], seed, index)
        by_shape.setdefault(classes_HW.shape, []).append((page_HWC, classes_HW))
    batches = []
    for pages in by_shape.values():
        for first in range(0, len(pages), batch_size):
            images, classes = zip(*pages[first : first + batch_size], strict=True)
            batches.append((np.stack(images), np.stack(classes)))
    return batches


def draw_lines(seed: int, indices: range, batch_size: int) -> list[Batch]:
    """Batches of line images and labels; all lines of a batch are about as wide."""
    lines = [build_line_image(_get_handwriting(), seed, index) for index in indices]
    lines.sort(key=lambda line: line[0].shape[1])
    batches = []
    for first in range(0, len(lines), batch_size):
        batch = lines[first : first + batch_size]
        width, length = batch[-1][0].shape[1], max(len(labels) for _, labels in batch)
        images_NHW = np.zeros((len(batch), HEIGHT_PX, width), np.uint8)
        labels_NL = np.full((len(batch), length), NO_LABEL, np.uint8)
        for row, (image_HW, labels) in enumerate(batch):
            images_NHW[row, :, : image_HW.shape[1]] = image_HW
            labels_NL[row, : len(labels)] = [line_reader.LABELS.index(label) for label in labels]
        batches.append((images_NHW, labels_NL))
    return batches


LINES = Task(
    build=lambda: LineNetwork(len(line_reader.LABELS)),
    draw=draw_lines,
    compute_loss=lambda logits, labels: compute_ctc_loss(logits, labels.long(), NO_LABEL),
    num_chunks=400,
    chunk_size=640,
    batch_size=32,
    learning_rate=5e-4,
    last_rate_factor=2.0,
    weight_decay=0.02,
    model="lines.onnx",
)
TASKS = {
    "page": Task(
        build=PageNetwork,
        draw=draw_pages,
        compute_loss=compute_page_loss,
        num_chunks=200,
        chunk_size=192,
        batch_size=8,
        learning_rate=4e-3,
        last_rate_factor=1.0,
        weight_decay=0.01,
        model="page.onnx",
    ),
    "lines": LINES,
    # Trained a little: what PP-OCRv6 knows of real handwriting is soon lost on drawn lines.
    "coarse-lines": replace(
        LINES,
        build=lambda: LineNetwork(len(line_reader.LABELS), is_coarse=True),
        num_chunks=8,
        learning_rate=1e-4,
        last_rate_factor=3.0,
        model=None,
    ),
}

_worker: dict[str, Any] = {}  # of a drawing process


def _get_handwriting() -> Handwriting:
    """The handwriting of the writers of MNIST's first 50,000 images, loaded once a process."""
    if "writing" not in _worker:
        _worker["writing"] = load_handwriting()
    writing: Handwriting = _worker["writing"]
    return writing


def _prepare_worker() -> None:
    import cv2

    cv2.setNumThreads(1)


def _draw_chunks(task: Task, seed: int, first: int, processes: int) -> Iterator[list[Batch]]:
    """The batches of each chunk from the first on, drawn ahead in other processes."""
    size = task.chunk_size
    with starting_pool(processes, _prepare_worker) as pool:
        waiting: deque[Future[list[Batch]]] = deque()
        for chunk in range(first, task.num_chunks):
            while len(waiting) < CHUNKS_AHEAD and chunk + len(waiting) < task.num_chunks:
                start = (chunk + len(waiting)) * size
                indices = range(start, start + size)
                waiting.append(pool.submit(task.draw, seed, indices, task.batch_size))
            yield waiting.popleft().result()


def train(
    task: Task, folder: Path, start: Path | None, seed: int, processes: int
) -> dict[str, Tensor]:
    """Train to the end, from a checkpoint in the folder if there is one; the averaged weights."""
    torch.manual_seed(seed)
    network = task.build().to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    if start is not None:
        network.load_state_dict(load_weights(start))
    optimizer = _build_optimizer(network, task)
    averaged = {name: value.clone() for name, value in network.state_dict().items()}
    checkpoint, first = folder / CHECKPOINT, 0
    if checkpoint.exists():
        first = _resume(load_file(checkpoint), network, averaged, optimizer)
    begun = saved = time.monotonic()
    mean_loss = math.nan
    for chunk, batches in enumerate(_draw_chunks(task, seed, first, processes), first):
        order = np.random.default_rng((seed, chunk)).permutation(len(batches))
        for number, row in enumerate(order):
            rate = compute_rate((chunk + number / len(batches)) / task.num_chunks)
            for group in optimizer.param_groups:
                group["lr"] = group["base_rate"] * rate
            images, labels = map(torch.from_numpy, batches[row])
            loss = task.compute_loss(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), MAX_NORM)
            optimizer.step()
            _average(averaged, network, chunk * len(batches) + number)
            value = float(loss.detach())
            mean_loss = value if math.isnan(mean_loss) else 0.98 * mean_loss + 0.02 * value
        now = time.monotonic()
        done = f"chunk {chunk + 1} of {task.num_chunks}"
        print(f"{done}, loss {mean_loss:.4f}, {now - begun:.0f} s", flush=True)
        is_last = chunk + 1 == task.num_chunks
        if is_last or now - saved > SECONDS_BETWEEN_CHECKPOINTS:
            write_file(checkpoint, save(_collect(network, averaged, optimizer, chunk + 1)))
            saved = now
    return averaged


def compute_rate(share_done: float) -> float:
    """The learning rate as a share of the highest: a warm-up, then a cosine to LAST_RATE."""
    cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * share_done)) / 2
    return min(1.0, (share_done + 1e-4) / WARM_UP) * cosine


@torch.no_grad()
def _average(averaged: dict[str, Tensor], network: nn.Module, step: int) -> None:
    """An exponential moving average of the weights, over fewer steps at first."""
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            averaged[name].lerp_(value, 1 - decay)


def _build_optimizer(network: nn.Module, task: Task) -> torch.optim.AdamW:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        rate = task.learning_rate * (task.last_rate_factor if name.startswith("last") else 1)
        decay = task.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rate, "base_rate": rate, "weight_decay": decay}
            for (rate, decay), parameters in groups.items()
        ],
        betas=(0.9, 0.98),
    )


def _collect(
    network: nn.Module, averaged: dict[str, Tensor], optimizer: torch.optim.Optimizer, done: int
) -> dict[str, Tensor]:
    tensors = {"done": torch.tensor(done)}
    tensors |= {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in averaged.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    return {name: value.contiguous() for name, value in tensors.items()}


def _resume(
    tensors: dict[str, Tensor],
    network: nn.Module,
    averaged: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> int:
    """Load a checkpoint; the number of chunks done."""
    network.load_state_dict({name: tensors[f"network.{name}"] for name in averaged})
    averaged.update({name: tensors[f"averaged.{name}"] for name in averaged})
    state = optimizer.state_dict()
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, field = name.split(".")
            state["state"].setdefault(int(number), {})[field] = value
    optimizer.load_state_dict(state)
    return int(tensors["done"])


def load_weights(start: Path) -> dict[str, Tensor]:
    """The averaged weights of a run's last checkpoint, or those of PP-OCRv6's file."""
    if not start.is_dir():
        network = LineNetwork(len(line_reader.LABELS))
        load_pp_ocr(network, start, line_reader.LABELS)
        return network.state_dict()
    tensors, prefix = load_file(start / CHECKPOINT), "averaged."
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def average_runs(starts: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of several runs' weights, which is often better than each of them.

    Each run must have started from another's weights or from the same: the mean of weights that
    have nothing in common reads nothing.
    """
    first, *others = map(load_weights, starts)
    for number, weights in enumerate(others, 2):
        for name, value in weights.items():
            if value.is_floating_point():
                first[name].lerp_(value, 1 / number)
    return first


def export(network: nn.Module, path: Path, card: dict[str, Any]) -> None:
    """Write the model of a trained network."""
    metadata: dict[str, Any] = {"calibration": None, "card": card}
    sizes: dict[int, Any] = {0: torch.export.Dim("num_images", min=1)}
    names: tuple[str, ...]
    if isinstance(network, PageNetwork):
        example, names = torch.zeros(2, 64, 96, 3), (page_segmenter.INPUT, page_segmenter.OUTPUT)
        for axis, side in ((1, "rows"), (2, "columns")):
            sizes[axis] = page_segmenter.STEP_PX * torch.export.Dim(side, min=1, max=64)
        metadata["labels"] = page_segmenter.LABELS
    else:
        example, names = torch.zeros(2, HEIGHT_PX, 64), (line_reader.INPUT, line_reader.OUTPUT)
        if isinstance(network, LineNetworks):
            names = (*names, line_reader.COARSE_OUTPUT)
        sizes[2] = COLUMN_PX * torch.export.Dim("num_columns", min=2, max=4096)
        metadata |= {"labels": line_reader.LABELS, "calibration": calibrate_lines(network)}
    data = dump_network(network, example.to(torch.uint8), names, sizes, metadata)
    write_file(path, halve_weights(data))


def calibrate_lines(network: nn.Module) -> dict[str, float]:
    """The confidence above which RIGHT_IF_READ of drawn lines are read right.

    Half of the lines are by new writers; the others are made of strokes, pen tracks and fonts, as
    those of training are. Only digits count; a text without digits counts as right if none is read.
    """
    writing = load_handwriting(of_new_writers=True)
    confidences, is_right = [], []
    for index in range(NUM_CALIBRATED):
        image_HW, characters = build_line_image(writing, CALIBRATION_SEED, index)
        with torch.no_grad():
            outputs = network(torch.from_numpy(image_HW)[None])
        logits = outputs if isinstance(network, LineNetworks) else (outputs,)
        found, confidence = choose_labels(
            [log_softmax(each[0].double().numpy()) for each in logits]
        )
        confidences.append(confidence)
        written = [line_reader.LABELS.index(character) for character in characters]
        is_right.append(_keep_digits(found) == _keep_digits(written))
    order = np.argsort(confidences)[::-1]
    right_N = np.cumsum(np.array(is_right)[order]) / np.arange(1, len(order) + 1)
    num_read = max(np.flatnonzero(right_N >= RIGHT_IF_READ), default=-1) + 1
    return {
        "temperature": 1.0,
        "read": confidences[order[num_read - 1]] if num_read else 1.0,
        "not_digit": 1.0,
        "lines": NUM_CALIBRATED,
        "lines_right": float(np.mean(is_right)),
        "lines_read": float(num_read / NUM_CALIBRATED),
    }


def choose_labels(log_probs: Sequence[LogProbs]) -> tuple[list[int], float]:
    """The likeliest of what each network finds, and the probability that both give it."""
    found = [[span.label for span in decode_greedy(each_TK)] for each_TK in log_probs]
    likelihoods = [
        [math.exp(compute_log_likelihood(each_TK, labels)) for each_TK in log_probs]
        for labels in found
    ]
    scores = [sum(math.log(one + MIN_LIKELIHOOD) for one in ones) for ones in likelihoods]
    best = int(np.argmax(scores))
    return found[best], math.prod(likelihoods[best])


def _keep_digits(labels: list[int]) -> list[int]:
    return [label for label in labels if label < NUM_CLASSES]


def main() -> None:
    """Train one network, or average runs of it, and export it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("network", choices=TASKS)
    parser.add_argument("folder", type=Path, help="for the checkpoint and the model")
    parser.add_argument(
        "--start", type=Path, help="PP-OCRv6_rec_small.onnx, or the folder of another run"
    )
    parser.add_argument(
        "--average",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="export the mean of the weights in these runs' folders, without training",
    )
    parser.add_argument(
        "--coarse",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="runs of coarse-lines, and PP-OCRv6_rec_small.onnx: their mean is the second network",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chunks", type=int, help="train for so many chunks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=1, help="that draw")
    options = parser.parse_args()
    if options.coarse and options.network != "lines":
        parser.error("--coarse is for lines")
    for path in (options.start, *(options.average or ()), *(options.coarse or ())):
        if path is not None and not path.exists():
            parser.error(f"{path} does not exist")
        if path is not None and path.is_file() and options.network == "page":
            parser.error(f"{path} is not the folder of a run")
    if options.average and TASKS[options.network].model is None:
        parser.error(f"there is no model of {options.network} alone; use --coarse with lines")
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    task = TASKS[options.network]
    if options.chunks is not None:
        task = replace(task, num_chunks=options.chunks)
    card: dict[str, Any] = {"network": options.network}
    if options.average:
        weights = average_runs(options.average)
        card["mean_of"] = [run.name for run in options.average]
    else:
        weights = train(task, options.folder, options.start, options.seed, options.processes)
        start = getattr(options.start, "name", None)
        card |= {"seed": options.seed, "chunks": task.num_chunks, "start": start}
    if task.model is None:
        print(f"wrote {options.folder / CHECKPOINT}")
        return
    network = task.build()
    network.load_state_dict(weights)
    if options.coarse:
        coarse = TASKS["coarse-lines"].build()
        coarse.load_state_dict(average_runs(options.coarse))
        network = LineNetworks(network, coarse)
        card["coarse_mean_of"] = [run.name for run in options.coarse]
    card |= {
        "versions": list_versions(),
        "trained": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path = options.folder / task.model
    export(network.eval(), path, card)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
