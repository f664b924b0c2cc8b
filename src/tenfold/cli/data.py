"""`tenfold data`."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from tenfold.cli.output import AsJson, print_json, print_rows, print_table, print_text
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages, Part, load_part
from tenfold.digits import NUM_CLASSES
from tenfold.system.files import write_file

PARTS: tuple[Part, ...] = ("train", "test")


def data(
    *,
    folder: Annotated[Path | None, Parameter(name="--data")] = None,
    sheet: Path | None = None,
    json: AsJson = False,
) -> None:
    """Show the training and test images: counts by digit, checksums, a contact sheet.

    Parameters
    ----------
    folder
        A folder of IDX files, or of images in train/0 ... train/9 and test/0 ... test/9; by
        default MNIST.
    sheet
        A PNG file to write a contact sheet of training images to.
    json
        Print JSON.
    """
    parts = {part: load_part(folder, part) for part in PARTS}
    if sheet is not None:
        from tenfold.workflow.arguments import require_train_extra

        require_train_extra()
        from tenfold.reports.figures.images import draw_contact_sheet

        training = parts["train"]
        title = "MNIST" if folder is None else folder.resolve().name
        picture = draw_contact_sheet(training.images_NHW, training.labels_N, title)
        write_file(sheet, picture)
    if json:
        print_json({part: _describe(part, images) for part, images in parts.items()})
        return
    print_table(
        ["part", "images", *map(str, range(NUM_CLASSES))],
        [
            [part, str(len(images)), *map(str, count_labels(images))]
            for part, images in parts.items()
        ],
    )
    print_text()
    print_table(
        ["file", "SHA-256"],
        [
            [f"{part} {name}", checksum]
            for part, images in parts.items()
            for name, checksum in zip(("images", "labels"), images.checksums, strict=True)
        ],
    )
    is_mnist = all(images.checksums == MNIST_CHECKSUMS[part] for part, images in parts.items())
    print_text("These are the files of MNIST." if is_mnist else "These are not the files of MNIST.")
    if sheet is not None:
        print_rows(("sheet", sheet))


def count_labels(images: LabelledImages) -> list[int]:
    """The number of images of each label, 0 to 9."""
    return [int(count) for count in np.bincount(images.labels_N, minlength=NUM_CLASSES)]


def _describe(part: Part, images: LabelledImages) -> dict[str, Any]:
    return {
        "num_images": len(images),
        "num_images_of_label": count_labels(images),
        "images_sha256": images.checksums[0],
        "labels_sha256": images.checksums[1],
        "is_mnist": images.checksums == MNIST_CHECKSUMS[part],
    }
