"""An exported model's file, checked and loaded with ONNX Runtime.

In: the bytes of a file. Out: a model that can be run, with what its metadata say of it: labels,
calibration, thresholds, card.

A model file is a program: what it computes, and for how long, is up to whoever wrote it. The checks
here find files that are damaged, or made for something else. They make no file safe that is not.

Array names carry their axes: N images, K answers.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.errors import ModelError

BUNDLED = Path(__file__).parent / "model"
BUNDLED_SHA256 = {
    "lines.onnx": "bd0a7a7f66a6a22c4da7fb1053df9ad821b27d61288c5e0a5b1d37ba1ab0735c",
    "reader.onnx": "6c3d6c495891176e63bfb23e9f35229b1f0384d8ed22cefd64e4c95f29660437",
}
METADATA_KEY = "tenfold"
FORMAT = 1
MAX_BYTES = 64 * 1024**2  # of a file; the bundled models have 1 and 2 MiB
EXTERNAL_DATA_FOLDER = "session.model_external_initializers_file_folder_path"  # ONNX Runtime's key
RUNTIME_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
MAX_METADATA = 256 * 1024  # characters of an entry; that of a bundled model has some thousand
MAX_MESSAGE = 500  # characters; what is wrong in a file may be long
MAX_LOADED = 8  # models that are kept
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


@dataclass(frozen=True)
class Interface:
    """What goes into a model and comes out: names, and sizes with None for those that vary."""

    input_name: str
    input_shape: tuple[int | None, ...]
    output_name: str
    output_rank: int
    num_answers: tuple[int, ...]


# What a model is for whose input has such a name, and the flag that takes it.
PURPOSES = {"images": ("digit images", "--model"), "strips": ("lines", "--lines")}


class ModelFile:
    """A loaded model: its `card`, its `calibration`, and `run`, which gives its logits.

    Raises ModelError for a file that is too large, is no such model, has weights outside of it, or
    lacks metadata.
    """

    def __init__(self, data: bytes, name: str, threads: int, interface: Interface) -> None:
        self.name, self.interface = name, interface
        try:
            if len(data) > MAX_BYTES:
                raise ModelError(f"the model is larger than {MAX_BYTES // 1024**2} MiB")
            self._session = _load(data, threads)
            self._check_input()
            self._check_output()
            self.num_answers = int(self._session.get_outputs()[0].shape[-1])
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.card, self.calibration = _parse_metadata(metadata, self.num_answers)
        except ModelError as error:
            raise ModelError(f"{name}: {_say(error)}") from error
        except Exception as error:  # ONNX Runtime has a class of its own for each kind of failure
            raise ModelError(f"{name}: not a valid ONNX model: {_say(error)}") from error

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
            raise ModelError(f"{self.name}: the model cannot be run: {_say(error)}") from error
        is_expected = logits.ndim == one.output_rank and logits.shape[-1] == self.num_answers
        if not is_expected or len(logits) != len(images) or not np.isfinite(logits).all():
            raise ModelError(f"{self.name}: expected finite logits for each image, found others")
        scaled: npt.NDArray[np.float32] = logits / np.float32(self.calibration.temperature)
        return scaled

    def _check_input(self) -> None:
        one, inputs = self.interface, self._session.get_inputs()
        names = [each.name for each in inputs]
        if len(names) == 1 and names[0] in PURPOSES.keys() - {one.input_name}:
            expected, _ = PURPOSES[one.input_name]
            found, flag = PURPOSES[names[0]]
            raise ModelError(f"expected a model of {expected}, found one of {found}, for {flag}")
        sizes = ", ".join("N" if size is None else str(size) for size in one.input_shape)
        expected = f"{one.input_name}, uint8 [{sizes}]"
        if [(each.name, each.type) for each in inputs] != [(one.input_name, "tensor(uint8)")]:
            found = ", ".join(f"{each.name} {each.type}" for each in inputs) or "none"
            raise ModelError(f"input: expected {expected}, found {found}")
        shape = inputs[0].shape
        if tuple(size if isinstance(size, int) else None for size in shape) != one.input_shape:
            raise ModelError(f"input: expected {expected}, found {shape}")

    def _check_output(self) -> None:
        one, outputs = self.interface, self._session.get_outputs()
        shape = outputs[0].shape if outputs else []
        is_good = len(outputs) == 1 and len(shape) == one.output_rank
        is_good = is_good and (outputs[0].name, outputs[0].type) == (
            one.output_name,
            "tensor(float)",
        )
        if not is_good or shape[-1] not in one.num_answers:
            answers = " or ".join(map(str, one.num_answers))
            axes = ", ".join(["N", "T"][: one.output_rank - 1])
            expected = f"{one.output_name}, float [{axes}, {answers}]"
            found = ", ".join(f"{each.name} {each.type} {each.shape}" for each in outputs) or "none"
            raise ModelError(f"output: expected {expected}, found {found}")


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
        raise _describe_missing(path, error) from error


@lru_cache(maxsize=MAX_LOADED)
def _load_unchanged(
    kind: Callable[[bytes, str, int], Model],
    path: Path,
    threads: int,
    _stamp: tuple[Path, int, int, int, int],
) -> Model:
    return kind(_read(path), str(path), threads)


def read_model_bytes(path: Path) -> bytes:
    """The bytes of a model file, for a model's class. Raises ModelError if they cannot be read."""
    try:
        return _read(path)
    except OSError as error:
        raise _describe_missing(path, error) from error


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if path.parent == BUNDLED and hashlib.sha256(data).hexdigest() != BUNDLED_SHA256[path.name]:
        raise ModelError(f"{path}: the file was damaged or replaced; install Tenfold again")
    return data


def _describe_missing(path: Path, error: OSError) -> ModelError:
    return ModelError(f"{path}: expected a model file, found: {error.strerror}")


def _load(data: bytes, threads: int) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    # Imported here, for it takes as long as all the rest.
    import onnxruntime

    # For a program that imported it before Tenfold, which could not tell it in time.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Where weights outside of the model are looked for: nothing can lie below a device. By default
    # that is the working directory.
    options.add_session_config_entry(EXTERNAL_DATA_FOLDER, os.devnull)
    try:
        return onnxruntime.InferenceSession(
            data,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # which prints
        )
    except Exception as error:
        if "external data" not in str(error).lower():
            raise
        raise ModelError(
            "the model has weights in another file (external data); "
            "export it with all weights in the model file"
        ) from error


def _say(error: Exception) -> str:
    text = RUNTIME_PREFIX.sub("", str(error))
    lines = text.splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= MAX_MESSAGE else f"{lines[0][:MAX_MESSAGE]}..."


def _parse_metadata(
    metadata: dict[str, str], num_answers: int
) -> tuple[dict[str, Any], Calibration]:
    """The card and the calibration that a model file carries."""
    if METADATA_KEY not in metadata:
        raise ModelError(
            f"metadata: expected an entry '{METADATA_KEY}', as `tenfold export` writes it, "
            "found none"
        )
    largest = max(map(len, metadata.values()))
    if largest > MAX_METADATA:
        raise ModelError(
            f"metadata: expected at most {MAX_METADATA:,} characters, found {largest:,}"
        )
    try:
        values = json.loads(metadata[METADATA_KEY])
        missing = [key for key in ("format", "labels", "calibration", "card") if key not in values]
        if missing:
            raise ModelError(f"metadata: expected {', '.join(missing)}, found none")
        if values["format"] != FORMAT:
            raise ModelError(
                f"metadata: expected format {FORMAT}, found {values['format']}. "
                "Export the run again with this version of Tenfold."
            )
        labels = values["labels"]
        if labels[:NUM_CLASSES] != [str(digit) for digit in range(NUM_CLASSES)]:
            raise ModelError(f"metadata: labels: expected 0 to 9, found {labels}")
        if len(labels) != num_answers:
            raise ModelError(
                f"metadata: labels: expected one for each of {num_answers} answers, "
                f"found {len(labels)}"
            )
        if not isinstance(values["card"], dict):
            raise ModelError(f"metadata: card: expected names and values, found {values['card']}")
        return values["card"], _parse_calibration(values["calibration"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ModelError(f"metadata: expected JSON of an exported model: {error}") from error


def _parse_calibration(values: dict[str, Any] | None) -> Calibration:
    if values is None:
        return Calibration()
    numbers = {key: float(values[key]) for key in ("temperature", "read", "not_digit")}
    is_good = all(map(math.isfinite, numbers.values())) and 0.01 <= numbers["temperature"] <= 100
    if not (is_good and 0 <= numbers["read"] <= 1 and 0 <= numbers["not_digit"] <= 1):
        raise ModelError(f"metadata: calibration out of range: {numbers}")
    thresholds = Thresholds(numbers["read"], numbers["not_digit"])
    return Calibration(numbers["temperature"], thresholds, True)
