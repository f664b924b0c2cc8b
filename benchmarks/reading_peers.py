"""Other OCR programs, each in a process of its own, in an environment that need not have tenfold.

`python reading_peers.py NAME --single < PATHS` prints a JSON list of the texts of image files, or
exits with status 3 if the program is not installed. Their recognisers alone read, as each image is
one line, and expect digits only where they can be told so.
"""

import argparse
import contextlib
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

DIGITS = "0123456789"
NOT_INSTALLED = 3
Read = Callable[[str], str]  # the path of an image to its text


def load_tesseract(single: bool) -> Read:
    """Tesseract in its mode for one character or one line."""
    if shutil.which("tesseract") is None:
        raise ModuleNotFoundError("tesseract")
    mode = ["--psm", "10" if single else "7", "-c", f"tessedit_char_whitelist={DIGITS}"]

    def read(path: str) -> str:
        command = ["tesseract", path, "stdout", *mode]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    return read


def load_rapidocr(single: bool) -> Read:
    """RapidOCR with the models in its wheel; it cannot be told to expect digits."""
    rapidocr = importlib.import_module("rapidocr")
    engine = rapidocr.RapidOCR(params={"Global.log_level": "error"})

    def read(path: str) -> str:
        texts = engine(path, use_det=False, use_cls=False).txts
        return str(texts[0]) if texts else ""

    return read


def load_ddddocr(single: bool) -> Read:
    """ddddocr, the best path through its probabilities of digits and of no character.

    Its own `set_ranges` only drops other characters from the best path through all.
    """
    engine = importlib.import_module("ddddocr").DdddOcr(show_ad=False)
    charset = engine.get_charset()
    columns = [0, *map(charset.index, DIGITS)]

    def read(path: str) -> str:
        result = engine.classification(Path(path).read_bytes(), probability=True)
        best_T = np.reshape(result["probabilities"], (-1, len(charset)))[:, columns].argmax(axis=1)
        starts = np.flatnonzero(np.diff(best_T, prepend=0))
        return "".join(charset[columns[i]] for i in best_T[starts])

    return read


def load_easyocr(single: bool) -> Read:
    """EasyOCR with the English models from a package of their own."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        # Its compiled operators are for a CUDA build of PyTorch. EasyOCR uses none of them, but to
        # be imported torchvision wants these two to be known.
        torch = importlib.import_module("torch")
        for name in ("nms", "qnms"):
            signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", signature)
    reader = importlib.import_module("easyocr").Reader(
        ["en"],
        gpu=False,
        detector=False,
        download_enabled=False,
        verbose=False,
        model_storage_directory=importlib.import_module("easyocr_en_models").model_dir(),
    )
    return lambda path: " ".join(reader.recognize(path, allowlist=DIGITS, detail=0))


LOADERS = {
    "Tesseract": load_tesseract,
    "RapidOCR": load_rapidocr,
    "ddddocr": load_ddddocr,
    "EasyOCR": load_easyocr,
}


def main() -> None:
    """Read the files whose paths come from standard input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=LOADERS)
    parser.add_argument("--single", action="store_true", help="each image is one digit")
    options = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):  # for what the programs print of themselves
        try:
            read = LOADERS[options.name](options.single)
        except ModuleNotFoundError:
            sys.exit(NOT_INSTALLED)
        texts = [read(line.rstrip("\n")) for line in sys.stdin]
    print(json.dumps(texts))


if __name__ == "__main__":
    main()
