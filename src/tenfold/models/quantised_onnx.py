"""Quantising an exported ONNX file with ONNX Runtime."""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from tenfold.models.predict import BATCH_SIZE
from tenfold.reading.digit_classifier import INPUT
from tenfold.reading.model_file import METADATA_KEY


def quantise_onnx(exported: bytes, images_NHW: npt.NDArray[np.uint8]) -> bytes:
    """An exported model of digit images, with int8 weights and uint8 activations.

    ONNX Runtime inserts QuantizeLinear and DequantizeLinear; images, uint8 [N, 28, 28], give the
    ranges of activations. The metadata stay, and the card says how the model was quantised.
    """
    # Imported here, as it takes longer than all the rest.
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _without_logging():
        path = Path(folder) / "model.onnx"
        quantize_static(
            onnx.load_from_string(exported),
            path,
            _Batches(images_NHW),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Weights of 7 bits: where processors lack VNNI, sums of two products have 16 bits.
            reduce_range=True,
        )
        model = onnx.load(path)
    return _describe(model)


class _Batches:
    """Batches of images, as ONNX Runtime asks for them."""

    def __init__(self, images_NHW: npt.NDArray[np.uint8]) -> None:
        self._batches = iter(np.split(images_NHW, range(BATCH_SIZE, len(images_NHW), BATCH_SIZE)))

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """The next input of the model; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _describe(model: onnx.ModelProto) -> bytes:
    """The bytes of a quantised model, with that fact in its card."""
    [entry] = (one for one in model.metadata_props if one.key == METADATA_KEY)
    del model.metadata_props[:]  # ONNX Runtime adds its own
    metadata = json.loads(entry.value)
    metadata["card"]["quantised"] = (
        f"int8 weights by channel, uint8 activations; ONNX Runtime {onnxruntime.__version__}"
    )
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(metadata))
    content: bytes = model.SerializeToString()
    return content


@contextmanager
def _without_logging() -> Iterator[None]:
    """Suppress warnings, and keep `logging.warning` from adding a handler for the whole process."""
    root, handler = logging.getLogger(), logging.NullHandler()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
