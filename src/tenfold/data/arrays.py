"""Images and labels that a program has in memory."""

from os import PathLike
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import LabelledImages, label_images
from tenfold.data.pixels import Part, check_counts, convert_images, convert_labels
from tenfold.errors import ArrayError

FORM = "((images, labels), (test images, test labels))"

Labelled = tuple[Any, Any]  # images and labels, as NumPy understands them
ArrayData = Labelled | tuple[Labelled, Labelled]


def load_array_part(data: ArrayData, part: Part) -> LabelledImages:
    """The training or the test part of ((images, labels), (test images, test labels)).

    The test part may be missing, also as (images, labels); the other part is not looked at.
    The checksums are those of IDX files with the same content. Raises ArrayError.
    """
    parts = data
    if _is_pair(data) and not _is_pair(data[0]):
        parts = (data, None)
    if not _is_pair(parts) or not _is_pair(parts[0]):
        raise ArrayError(f"data must be a path, or {FORM}, not {_describe(data)}")
    chosen, prefix = (parts[0], "") if part == "train" else (parts[1], "test ")
    if chosen is None:
        raise ArrayError(f"data has no test images; pass {FORM}, or (images, labels) with holdout")
    if not _is_pair(chosen):
        raise ArrayError(f"data must be {FORM}; the second is {_describe(chosen)}")
    images_NHW = read_images(chosen[0], f"{prefix}images")
    labels_N = read_labels(chosen[1], f"{prefix}labels")
    check_counts(images_NHW, labels_N, "data")
    return label_images(images_NHW, labels_N)


def _describe(value: object) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)} items"
    return f"of the type {type(value).__name__}"


def _is_pair(value: object) -> TypeGuard[tuple[Any, Any]]:
    return isinstance(value, tuple) and len(value) == 2


def read_images(
    images: Any,  # noqa: ANN401
    name: str = "images",
    *,
    scale: int | None = None,
) -> npt.NDArray[np.uint8]:
    """Images of a program as uint8 [N, 28, 28], by the rule of `tenfold.data.pixels`.

    `name` is what an error calls them; `scale` is as in `convert_images`. Raises ArrayError.
    """
    if isinstance(images, str | bytes | PathLike) or images is None:
        raise ArrayError(
            f"{name} must be an array, not of the type {type(images).__name__}; tenfold.Reader "
            "reads image files"
        )
    array = _to_array(images, name)
    if array.dtype == object:  # such as of a table of pandas with the type Int64
        array = _to_array(array.tolist(), name)
    return convert_images(array, name, scale=scale)


def read_labels(labels: Any, name: str = "labels") -> npt.NDArray[np.uint8]:  # noqa: ANN401
    """Labels of a program as uint8 [N], by the rule of `tenfold.data.pixels`.

    `name` is what an error calls them. Raises ArrayError.
    """
    return convert_labels(_to_array(labels, name), name)


def _to_array(values: Any, name: str) -> npt.NDArray[Any]:  # noqa: ANN401
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # of NumPy, or of a tensor on a GPU
        raise ArrayError(f"{name} cannot be made an array: {error}") from error
    return array
