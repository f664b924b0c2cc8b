"""`tenfold data`."""

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.cli.options import AsJson, DataFolder
from tenfold.cli.output import print_json, print_rows, print_table, print_text
from tenfold.data.class_names import find_class_names
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages, Part, hash_idx, load_part
from tenfold.data.pixels import Arrays
from tenfold.data.sources import load_arrays
from tenfold.digits import NUM_CLASSES
from tenfold.errors import DataError
from tenfold.system.files import write_file

NO_COUNTS = ["-"] * NUM_CLASSES  # of images without labels


def data(
    *, data: DataFolder | None = None, sheet: Path | None = None, json: AsJson = False
) -> None:
    """Show the training and test images: counts by digit, checksums, a contact sheet.

    Parameters
    ----------
    sheet
        A PNG file to write a contact sheet of training images to.
    """
    training = load_part(data, "train")
    described = {"train": _describe("train", (training.images_NHW, training.labels_N))}
    with suppress(DataError) if data is not None and data.is_file() else nullcontext():
        described["test"] = _describe("test", _load_test(data))
    if sheet is not None:
        write_file(sheet, _draw_sheet(training, data))
    if json:
        print_json(described)
        return
    print_table(
        ["part", "images", *(find_class_names(data) or map(str, range(NUM_CLASSES)))],
        [
            [part, str(one["num_images"]), *map(str, one["num_images_of_label"] or NO_COUNTS)]
            for part, one in described.items()
        ],
    )
    print_text()
    print_table(
        ["file", "SHA-256"],
        [
            [f"{part} {name}", one[f"{name}_sha256"]]
            for part, one in described.items()
            for name in ("images", "labels")
            if one[f"{name}_sha256"]
        ],
    )
    is_mnist = all(one["is_mnist"] for one in described.values())
    print_text("These are the files of MNIST." if is_mnist else "These are not the files of MNIST.")
    if sheet is not None:
        print_rows(("sheet", sheet))


def _draw_sheet(training: LabelledImages, folder: Path | None) -> bytes:
    from tenfold.workflow.arguments import require_train_extra

    require_train_extra()
    from tenfold.reports.figures.images import draw_contact_sheet

    title = "MNIST" if folder is None else folder.resolve().name
    names = find_class_names(folder)
    return draw_contact_sheet(training.images_NHW, training.labels_N, title, class_names=names)


def _load_test(data: Path | None) -> Arrays:
    """The test images, which need no labels to be counted."""
    if data is not None:
        return load_arrays(data, "test")
    test = load_part(None, "test")
    return test.images_NHW, test.labels_N


def _describe(part: Part, arrays: Arrays) -> dict[str, Any]:
    images_NHW, labels_N = arrays
    images, labels = hash_idx(images_NHW), None if labels_N is None else hash_idx(labels_N)
    counts = None
    if labels_N is not None:
        counts = np.bincount(labels_N, minlength=NUM_CLASSES).tolist()
    return {
        "num_images": len(images_NHW),
        "num_images_of_label": counts,
        "images_sha256": images,
        "labels_sha256": labels,
        "is_mnist": (images, labels) == MNIST_CHECKSUMS[part],
    }
