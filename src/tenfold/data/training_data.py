"""Finds MNIST and the fonts: in the installed training data, or in the checkout.

They are a separate distribution, `training-data/`, because reading does not need them.
"""

import importlib.util
from pathlib import Path
from typing import Literal

from tenfold.errors import DataError

PACKAGE = "tenfold_training_data"
CHECKOUT = Path(__file__).resolve().parents[3] / "training-data" / PACKAGE  # beside src/


def find_training_data(
    kind: Literal["mnist", "fonts", "writers", "pen_tracks", "other_characters"],
) -> Path:
    """The folder of MNIST's four files, or of what synthetic images are drawn from.

    Raises DataError if the training data are not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    parent = Path(spec.origin).parent if spec and spec.origin else CHECKOUT
    folder = parent / kind
    if not folder.is_dir():
        what = {
            "mnist": "MNIST is",
            "fonts": "the fonts of the training images are",
            "writers": "the list of MNIST's writers, by which its hold-out is chosen, is",
        }.get(kind, "the handwriting of the training images is")
        other = ", or name a folder of images with --data" if kind == "mnist" else ""
        raise DataError(
            f"{what} not installed: run `pip install ./training-data` in Tenfold's checkout{other}"
        )
    return folder
