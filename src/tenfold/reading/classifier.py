"""Digit images to probabilities, by an exported model and ONNX Runtime.

In: a model file, which carries its labels, calibration, thresholds and card; digit images. Out:
probabilities. A model file from an untrusted hand is checked before it is loaded.

Array names carry their axes: N images, H rows, W columns, K answers.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.errors import ModelError
from tenfold.reading.onnx_file import MAX_BYTES, check_onnx_file

BUNDLED_MODEL = Path(__file__).parent / "model" / "reader.onnx"
METADATA_KEY = "tenfold"
INPUT, OUTPUT = "images", "logits"
NUM_DIGITS = 10
IMAGE_PX = 28
BATCH_SIZE = 64  # of larger ones the intermediate results leave the processor's caches
FORMAT = 1
MAX_MODEL_BYTES = 512 * 1024**2  # of memory, beside the file itself
# What a model without calibration is used with.
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


class Classifier:
    """A loaded model: `classify` is all that reading needs of it."""

    def __init__(self, data: bytes, name: str, threads: int = 1) -> None:
        # Imported here, for it takes as long as all the rest.
        import onnxruntime

        try:
            check_onnx_file(data)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.log_severity_level = 4
            _limit_memory()
            options.add_session_config_entry("session.use_env_allocators", "1")
            self._session = onnxruntime.InferenceSession(
                data,
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # which prints
                disabled_optimizers=[
                    "ConstantFolding"
                ],  # it computes while it loads, without limit
            )
            self._check_interface(name)
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.card, self.calibration = _parse_metadata(metadata, name)
        except ModelError as error:
            if str(error).startswith(name):
                raise
            raise ModelError(f"{name}: {error}") from error
        except Exception as error:  # ONNX Runtime has a class of its own for each kind of failure
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{name}: expected an ONNX model, found: {reason}") from error
        self.name = name
        self.num_answers = int(self._session.get_outputs()[0].shape[1])

    @property
    def thresholds(self) -> Thresholds:
        """From where on an answer counts."""
        return self.calibration.thresholds

    def classify(self, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities [N, K] of digit images, uint8 [N, 28, 28]: the digits and, of 11, none."""
        logits = []
        for first in range(0, len(images_NHW), BATCH_SIZE):
            batch = images_NHW[first : first + BATCH_SIZE]
            try:
                [one] = self._session.run([OUTPUT], {INPUT: batch})
            except Exception as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ModelError(
                    f"{self.name}: expected a model that can run, found: {reason}"
                ) from error
            if one.shape != (len(batch), self.num_answers) or not np.isfinite(one).all():
                raise ModelError(
                    f"{self.name}: expected finite logits for each image, found others"
                )
            logits.append(one)
        if not logits:
            return np.zeros((0, self.num_answers), np.float32)
        scaled_NK = np.concatenate(logits) / np.float32(self.calibration.temperature)
        scaled_NK -= scaled_NK.max(axis=1, keepdims=True)
        probabilities_NK = np.exp(scaled_NK)
        probabilities_NK /= probabilities_NK.sum(axis=1, keepdims=True)
        return probabilities_NK

    def _check_interface(self, name: str) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        expected = f"{INPUT}, uint8 [N, {IMAGE_PX}, {IMAGE_PX}]"
        if len(inputs) != 1 or inputs[0].name != INPUT or inputs[0].type != "tensor(uint8)":
            found = ", ".join(f"{one.name} {one.type}" for one in inputs) or "none"
            raise ModelError(f"{name}: input: expected {expected}, found {found}")
        if list(inputs[0].shape[1:]) != [IMAGE_PX, IMAGE_PX] or isinstance(inputs[0].shape[0], int):
            raise ModelError(f"{name}: input: expected {expected}, found {inputs[0].shape}")
        shape = outputs[0].shape if outputs else []
        is_good = len(outputs) == 1 and len(shape) == 2
        is_good = is_good and (outputs[0].name, outputs[0].type) == (OUTPUT, "tensor(float)")
        if not is_good or shape[1] not in (NUM_DIGITS, NUM_DIGITS + 1):
            found = ", ".join(f"{one.name} {one.shape}" for one in outputs)
            raise ModelError(f"{name}: output: expected {OUTPUT} [N, 10 or 11], found {found}")


@cache
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


@cache
def load_classifier(path: Path | None = None, threads: int = 1) -> Classifier:
    """The bundled model, or that of a file which `tenfold export` wrote.

    Raises ModelError if the file cannot be read, is no such model, or says too little of itself.
    """
    file = BUNDLED_MODEL if path is None else path
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{file}: expected a model file, found: {error.strerror}") from error
    return Classifier(data, str(file), threads)


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
