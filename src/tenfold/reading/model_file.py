"""Load and check exported models with ONNX Runtime.

A model file is a program: its author decides what it computes and for how long. The checks here
find files that are damaged or made for something else. They do not make an untrusted file safe.

Array names carry their axes: N images, K classes.
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
    "lines.onnx": "5651235f6ae661b67d212e3172234f929a6b50d805571541c0ba98ca0caea5c5",
    "page.onnx": "cfd2c9e9f7394e1088f9f8c6f669c394db768172de807f72aa5618d429d86e89",
    "reader.onnx": "a58aac48a8cc6bfffc521d93d3b8a1dd2b379a04fa6eb8f8532cabf4e871e85e",
}
METADATA_KEY = "tenfold"
FORMAT = 1
MAX_BYTES = 64 * 1024**2  # the bundled files have 1, 2 and 12 MiB
MAX_METADATA = 256 * 1024  # characters of an entry; a bundled model has a few thousand
MAX_MESSAGE = 500  # characters; a value in a file may be long
MAX_LOADED = 8  # models that stay loaded
DEFAULT_THRESHOLD = 0.9  # of a model without calibration
EXTERNAL_DATA_FOLDER = "session.model_external_initializers_file_folder_path"  # ONNX Runtime's key
RUNTIME_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")


@dataclass(frozen=True)
class Thresholds:
    """The least probability of a digit to be read, and of no digit to be rejected."""

    read: float = DEFAULT_THRESHOLD
    not_digit: float = DEFAULT_THRESHOLD


@dataclass(frozen=True)
class Calibration:
    """Temperature and thresholds of a model; `is_fitted` if they were found on held-out data."""

    temperature: float = 1.0
    thresholds: Thresholds = Thresholds()
    is_fitted: bool = False


@dataclass(frozen=True)
class Interface:
    """Names and shapes of a model's input and output; None for sizes that vary.

    A model may have another output like the first if `second_output_name` is given. `labels` are
    those that a model's own labels must begin with.
    """

    input_name: str
    input_shape: tuple[int | None, ...]
    output_name: str
    output_rank: int
    num_answers: tuple[int, ...]
    labels: tuple[str, ...] = tuple(map(str, range(NUM_CLASSES)))
    second_output_name: str | None = None


# By the name of its input: what a model reads, and the flag that takes it.
PURPOSES = {"images": ("digit images", "--model"), "strips": ("lines", "--lines")}


class ModelFile:
    """A loaded model with its `card` and `calibration`.

    Raises ModelError for a file that is too large, has another interface, keeps weights in another
    file, or lacks metadata.
    """

    interface: Interface

    def __init__(self, data: bytes, name: str, threads: int = 1) -> None:
        self.name = name
        self._arguments = data, name, threads
        try:
            if len(data) > MAX_BYTES:
                raise ModelError(f"the model is larger than {MAX_BYTES // 1024**2} MiB")
            self._session = _load(data, threads)
            self._check_interface()
            self.num_answers = int(self._session.get_outputs()[0].shape[-1])
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.card, self.calibration = _parse_metadata(
                metadata, self.interface.labels, self.num_answers
            )
        except ModelError as error:
            raise ModelError(f"{name}: {_shorten(error)}") from error
        except Exception as error:  # ONNX Runtime raises a dozen kinds
            raise ModelError(f"{name}: not a valid ONNX model: {_shorten(error)}") from error

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the file, as ONNX Runtime's sessions cannot be pickled."""
        return type(self), self._arguments

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of the calibration."""
        return self.calibration.thresholds

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The logits of images, divided by the calibration's temperature, [N, ..., K]."""
        return self.run_all(images)[0]

    def run_all(self, images: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """The same of each output."""
        one = self.interface
        try:
            outputs = self._session.run(None, {one.input_name: images})
        except Exception as error:
            raise ModelError(f"{self.name}: the model cannot be run: {_shorten(error)}") from error
        for logits in outputs:
            is_expected = logits.ndim == one.output_rank and logits.shape[-1] == self.num_answers
            if not is_expected or len(logits) != len(images) or not np.isfinite(logits).all():
                raise ModelError(
                    f"{self.name}: the model did not give finite logits for each image"
                )
        return [logits / np.float32(self.calibration.temperature) for logits in outputs]

    def _check_interface(self) -> None:
        one = self.interface
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        names = [each.name for each in inputs]
        if len(names) == 1 and names[0] in PURPOSES.keys() - {one.input_name}:
            expected, (found, flag) = PURPOSES[one.input_name][0], PURPOSES[names[0]]
            raise ModelError(f"this is a model of {found}, not of {expected}; use {flag}")
        sizes = ", ".join("N" if size is None else str(size) for size in one.input_shape)
        expected = f"{one.input_name}, uint8 [{sizes}]"
        if [(each.name, each.type) for each in inputs] != [(one.input_name, "tensor(uint8)")]:
            found = ", ".join(f"{each.name} {each.type}" for each in inputs) or "none"
            raise ModelError(f"the input must be {expected}, not {found}")
        shape = inputs[0].shape
        if tuple(size if isinstance(size, int) else None for size in shape) != one.input_shape:
            raise ModelError(f"the input must be {expected}, not {shape}")
        kinds = [(each.name, each.type, len(each.shape)) for each in outputs]
        good = [
            (name, "tensor(float)", one.output_rank)
            for name in (one.output_name, one.second_output_name)
        ]
        is_good = kinds == good[:1] or (kinds == good and one.second_output_name is not None)
        if not is_good or any(each.shape[-1] not in one.num_answers for each in outputs):
            axes = ", ".join(["N", "T"][: one.output_rank - 1])
            expected = (
                f"{one.output_name}, float [{axes}, {' or '.join(map(str, one.num_answers))}]"
            )
            found = ", ".join(f"{each.name} {each.type} {each.shape}" for each in outputs) or "none"
            raise ModelError(f"the output must be {expected}, not {found}")


Model = TypeVar("Model", bound=ModelFile)


def load_model(kind: Callable[[bytes, str, int], Model], path: Path, threads: int) -> Model:
    """Load a model of a kind such as Classifier; it stays loaded until its file changes.

    Raises ModelError if the file cannot be read or is not such a model.
    """
    try:
        # A relative path depends on the working directory, and two files may have the same size
        # and time.
        status, resolved = path.stat(), path.resolve()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the model: {error.strerror}") from error
    stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
    return _load_unchanged(kind, path, threads, (resolved, *stamp))


@lru_cache(maxsize=MAX_LOADED)
def _load_unchanged(
    kind: Callable[[bytes, str, int], Model],
    path: Path,
    threads: int,
    _stamp: tuple[Path, int, int, int, int],
) -> Model:
    return kind(read_model_bytes(path), str(path), threads)


def read_model_bytes(path: Path) -> bytes:
    """The bytes of a model file. Raises ModelError if they cannot be read or were damaged."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path}: cannot read the model: {error.strerror}") from error
    if path.parent == BUNDLED and hashlib.sha256(data).hexdigest() != BUNDLED_SHA256[path.name]:
        raise ModelError(f"{path}: the file was damaged or replaced; install Tenfold again")
    return data


def _load(data: bytes, threads: int) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    # Imported here, as it takes as long as everything else.
    import onnxruntime

    # In case a program imported it before Tenfold could set the environment variable.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Weights in other files are searched in this folder, by default the working directory. Nothing
    # can be below a device.
    options.add_session_config_entry(EXTERNAL_DATA_FOLDER, os.devnull)
    try:
        return onnxruntime.InferenceSession(
            data,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # it would print
        )
    except Exception as error:
        if "external data" not in str(error).lower():
            raise
        raise ModelError(
            "the model has weights in another file (external data); "
            "export it with all weights in the model file"
        ) from error


def _shorten(error: Exception) -> str:
    text = RUNTIME_PREFIX.sub("", str(error))
    lines = text.splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= MAX_MESSAGE else f"{lines[0][:MAX_MESSAGE]}..."


def _parse_metadata(
    metadata: dict[str, str], expected: tuple[str, ...], num_answers: int
) -> tuple[dict[str, Any], Calibration]:
    """The card and the calibration in a model's metadata."""
    if METADATA_KEY not in metadata:
        raise ModelError(
            f"metadata: the entry '{METADATA_KEY}' is missing; use a file from `tenfold export`"
        )
    largest = max(map(len, metadata.values()))
    if largest > MAX_METADATA:
        raise ModelError(
            f"metadata: an entry has {largest:,} characters; the limit is {MAX_METADATA:,}"
        )
    try:
        values = json.loads(metadata[METADATA_KEY])
        missing = [key for key in ("format", "labels", "calibration", "card") if key not in values]
        if missing:
            raise ModelError(f"metadata: missing {', '.join(missing)}")
        if values["format"] != FORMAT:
            raise ModelError(
                f"metadata: format {values['format']} is not supported; "
                "export the run again with this version of Tenfold"
            )
        labels = values["labels"]
        if labels[: len(expected)] != [*expected]:
            first, *_, last = expected
            raise ModelError(f"metadata: labels must begin with {first} to {last}, not {labels}")
        if len(labels) != num_answers:
            raise ModelError(f"metadata: {len(labels)} labels for {num_answers} outputs")
        if not isinstance(values["card"], dict):
            raise ModelError(f"metadata: card must be a JSON object, not {values['card']}")
        return values["card"], _parse_calibration(values["calibration"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ModelError(f"metadata: not those of an exported model: {error}") from error


def _parse_calibration(values: dict[str, Any] | None) -> Calibration:
    if values is None:
        return Calibration()
    numbers = {key: float(values[key]) for key in ("temperature", "read", "not_digit")}
    is_good = all(map(math.isfinite, numbers.values())) and 0.01 <= numbers["temperature"] <= 100
    if not (is_good and 0 <= numbers["read"] <= 1 and 0 <= numbers["not_digit"] <= 1):
        raise ModelError(f"metadata: calibration out of range: {numbers}")
    thresholds = Thresholds(numbers["read"], numbers["not_digit"])
    return Calibration(numbers["temperature"], thresholds, True)
