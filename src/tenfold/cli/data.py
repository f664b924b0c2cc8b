"""`tenfold data`."""

from pathlib import Path
from typing import Any

import numpy as np

from tenfold.cli.options import AsJson, DataFolder
from tenfold.cli.output import print_json, print_rows, print_table, print_text
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages, Part, load_part
from tenfold.digits import NUM_CLASSES
from tenfold.system.files import write_file

PARTS: tuple[Part, ...] = ("train", "test")


def data(
    *, data: DataFolder | None = None, sheet: Path | None = None, json: AsJson = False
) -> None:
    """Show the training and test images: counts by digit, checksums, a contact sheet.

    Parameters
    ----------
    sheet
        A PNG file to write a contact sheet of training images to.
    """
    parts = {part: load_part(data, part) for part in PARTS}
    if sheet is not None:
        write_file(sheet, _draw_sheet(parts["train"], data))
    described = {part: _describe(part, images) for part, images in parts.items()}
    if json:
        print_json(described)
        return
    print_table(
        ["part", "images", *map(str, range(NUM_CLASSES))],
        [
            [part, *map(str, (one["num_images"], *one["num_images_of_label"]))]
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
    return draw_contact_sheet(training.images_NHW, training.labels_N, title)


def _describe(part: Part, images: LabelledImages) -> dict[str, Any]:
    return {
        "num_images": len(images),
        "num_images_of_label": np.bincount(images.labels_N, minlength=NUM_CLASSES).tolist(),
        "images_sha256": images.checksums[0],
        "labels_sha256": images.checksums[1],
        "is_mnist": images.checksums == MNIST_CHECKSUMS[part],
    }
