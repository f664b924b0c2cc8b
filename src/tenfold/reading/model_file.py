"""An exported model's file, checked and loaded with ONNX Runtime.

In: the bytes of a file, which may be from an untrusted hand. Out: a model that can be run, with
what its metadata say of it: labels, calibration, thresholds, card.

Array names carry their axes: N images, K answers.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tenfold.errors import ModelError
from tenfold.reading.onnx_file import MAX_BYTES, check_onnx_file

METADATA_KEY = "tenfold"
NUM_DIGITS = 10
FORMAT = 1
MAX_MODEL_BYTES = 512 * 1024**2  # of memory, beside the file itself
# What a model without calibration is used with.
# For each pixel that goes in: some hundred times what the bundled models take, and as much as a
# core does in about a tenth of a second for a digit image, in some seconds for the longest strip.
MAX_STEPS_PER_PIXEL = 5_000_000
MAX_METADATA = 256 * 1024  # characters of an entry; that of a bundled model has some thousand
MAX_MESSAGE = 500  # characters; what is wrong in a file may be long
MAX_LOADED = 8  # models that are kept
MAX_SHAPES = 1000  # of inputs whose steps are kept; there are not so many in reading
DEFAULT_THRESHOLD = 0.9


@dataclass(frozen=True)
class Thresholds:
    """From which probability of a digit on it counts as read, and of none as no digit."""

    read: float = DEFAULT_THRESHOLD
    not_digit: float = 0.9


@dataclass(frozen=True)
class Calibration:
    """What a hold-out run taught about a model's probabilities, if `is_fitted`."""

    temperature: float = 1.0
    thresholds: Thresholds = Thresholds()
    is_fitted: bool = False


@dataclass(frozen=True)
class Interface:
    """What goes into a model and comes out: names, and sizes with None for those that vary."""

    input_name: str
    input_shape: tuple[int | None, ...]
    output_name: str
    output_rank: int
    num_answers: tuple[int, ...]


class ModelFile:
    """A loaded model: its `card`, its `calibration`, and `run`, which gives its logits.

    Raises ModelError for a file that is no such model, asks for more than arithmetic, or says too
    little of itself.
    """

    def __init__(self, data: bytes, name: str, threads: int, interface: Interface) -> None:
        self.name, self.interface = name, interface
        try:
            check_onnx_file(data)
            self._session = _load(data, threads)
            self._check_interface()
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.card, self.calibration = _parse_metadata(metadata, name)
        except ModelError as error:
            if str(error).startswith(name):
                raise
            raise ModelError(f"{name}: {error}") from error
        except Exception as error:  # ONNX Runtime has a class of its own for each kind of failure
            raise ModelError(f"{name}: expected an ONNX model, found: {_say(error)}") from error
        self.num_answers = int(self._session.get_outputs()[0].shape[-1])

    @property
    def thresholds(self) -> Thresholds:
        """From where on an answer counts."""
        return self.calibration.thresholds

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The logits of images, divided by the calibration's temperature, [N, ..., K]."""
        one = self.interface
        try:
            [logits] = self._session.run([one.output_name], {one.input_name: images})
        except Exception as error:
            raise ModelError(
                f"{self.name}: expected a model that can run, found: {_say(error)}"
            ) from error
        is_expected = logits.ndim == one.output_rank and logits.shape[-1] == self.num_answers
        if not is_expected or len(logits) != len(images) or not np.isfinite(logits).all():
            raise ModelError(f"{self.name}: expected finite logits for each image, found others")
        scaled: npt.NDArray[np.float32] = logits / np.float32(self.calibration.temperature)
        return scaled

    def _check_interface(self) -> None:
        one = self.interface
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        sizes = ", ".join("N" if size is None else str(size) for size in one.input_shape)
        expected = f"{one.input_name}, uint8 [{sizes}]"
        if len(inputs) != 1 or (inputs[0].name, inputs[0].type) != (
            one.input_name,
            "tensor(uint8)",
        ):
            found = ", ".join(f"{each.name} {each.type}" for each in inputs) or "none"
            raise ModelError(f"{self.name}: input: expected {expected}, found {found}")
        found_shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        if found_shape != one.input_shape:
            raise ModelError(f"{self.name}: input: expected {expected}, found {inputs[0].shape}")
        shape = outputs[0].shape if outputs else []
        is_good = len(outputs) == 1 and len(shape) == one.output_rank
        is_good = is_good and (outputs[0].name, outputs[0].type) == (
            one.output_name,
            "tensor(float)",
        )
        if not is_good or shape[-1] not in one.num_answers:
            answers = " or ".join(map(str, one.num_answers))
            axes = ", ".join(["N", "T"][: one.output_rank - 1])
            found = ", ".join(f"{each.name} {each.shape}" for each in outputs)
            raise ModelError(
                f"{self.name}: output: expected {one.output_name} [{axes}, {answers}], "
                f"found {found}"
            )


Model = TypeVar("Model", bound=ModelFile)


def load_model(kind: Callable[[bytes, str, int], Model], path: Path, threads: int) -> Model:
    """The model of a file, of a kind such as Classifier; loaded once, until the file is written.

    Raises ModelError if the file cannot be read, is no such model, or says too little of itself.
    """
    try:
        # What a relative path names changes with the working directory, and size and time of two
        # files may be the same.
        status, resolved = path.stat(), path.resolve()
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        return _load_unchanged(kind, path, threads, (resolved, *stamp))
    except OSError as error:
        raise ModelError(f"{path}: expected a model file, found: {error.strerror}") from error


@cache
def _load_unchanged(
    kind: Callable[[bytes, str, int], Model],
    path: Path,
    threads: int,
    _stamp: tuple[Path, int, int, int, int],
) -> Model:
    with path.open("rb") as stream:
        return kind(stream.read(MAX_BYTES + 1), str(path), threads)


def _load(data: bytes, threads: int) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    # Imported here, for it takes as long as all the rest.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    _limit_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(
        data,
        options,
        providers=["CPUExecutionProvider"],
        enable_fallback=0,  # which prints
        disabled_optimizers=["ConstantFolding"],  # it computes while it loads, without limit
    )


def _say(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@lru_cache(maxsize=MAX_LOADED)
def _limit_memory() -> None:
    """Give all models of this process one pool of memory that does not grow for ever."""
    import onnxruntime

    default = -1
    config = onnxruntime.OrtArenaCfg(
        {
            "max_mem": MAX_MODEL_BYTES,
            "arena_extend_strategy": default,
            "initial_chunk_size_bytes": default,
            "max_dead_bytes_per_chunk": default,
        }
    )
    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    where = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(where, config)


def _parse_metadata(metadata: dict[str, str], name: str) -> tuple[dict[str, Any], Calibration]:
    """The card and the calibration that a model file carries."""
    if METADATA_KEY not in metadata:
        raise ModelError(
            f"{name}: metadata: expected an entry '{METADATA_KEY}', as `tenfold export` writes it, "
            "found none"
        )
    try:
        values = json.loads(metadata[METADATA_KEY])
        missing = [key for key in ("format", "labels", "calibration", "card") if key not in values]
        if missing:
            raise ModelError(f"{name}: metadata: expected {', '.join(missing)}, found none")
        if values["format"] != FORMAT:
            raise ModelError(
                f"{name}: metadata: expected format {FORMAT}, found {values['format']}. "
                "Export the run again with this version of Tenfold."
            )
        labels = values["labels"]
        if labels[:NUM_DIGITS] != [str(digit) for digit in range(NUM_DIGITS)]:
            raise ModelError(f"{name}: metadata: labels: expected 0 to 9, found {labels}")
        return values["card"], _parse_calibration(values["calibration"], name)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ModelError(
            f"{name}: metadata: expected JSON of an exported model: {error}"
        ) from error


def _parse_calibration(values: dict[str, Any] | None, name: str) -> Calibration:
    if values is None:
        return Calibration()
    numbers = {key: float(values[key]) for key in ("temperature", "read", "not_digit")}
    is_good = all(map(math.isfinite, numbers.values())) and 0.01 <= numbers["temperature"] <= 100
    if not (is_good and 0 <= numbers["read"] <= 1 and 0 <= numbers["not_digit"] <= 1):
        raise ModelError(f"{name}: metadata: calibration out of range: {numbers}")
    thresholds = Thresholds(numbers["read"], numbers["not_digit"])
    return Calibration(numbers["temperature"], thresholds, True)
