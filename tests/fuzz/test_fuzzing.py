"""Atheris searches for bytes on which a decoder raises anything but a TenfoldError."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("pillow_heif")

from images import encode_all
from tenfold.data.idx import dump_idx
from tenfold.reading.decoding import decode

TARGET = Path(__file__).with_name("fuzz.py")
# Ample for images of 4 kB: what is looked for are endless loops and memory without bounds.
LIMITS = ["-timeout=60", "-rss_limit_mb=1500", "-max_len=4096"]


def draw() -> Image.Image:
    """A seven, which is in no data set."""
    picture = Image.new("L", (20, 14), 235)
    ImageDraw.Draw(picture).line([(6, 3), (13, 3), (9, 11)], fill=30, width=2)
    return picture


def save(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


def list_images() -> dict[str, bytes]:
    """A small file of each format, and some with parts that few files have."""
    picture = draw()
    files = encode_all(np.asarray(picture))
    del files["PDF"]  # another process decodes it
    for name in ("GIF", "TIFF", "MPO", "WEBP", "PNG"):
        frames = {"save_all": True, "append_images": [picture.rotate(90)]}
        files[f"{name}, frames"] = save(picture, format=name, **frames)
    exif = Image.Exif()
    exif[0x0112] = 6
    files |= {f"{name}, turned": save(picture, format=name, exif=exif) for name in ("JPEG", "PNG")}
    files["PGM, text"] = b"P2 8 2 3\n" + b"0 1 2 3 " * 4
    files["PPM, deep"] = b"P6 8 1 300\n" + bytes(range(48))
    for data in files.values():
        decode(data)
    return files


def list_idx_files() -> dict[str, bytes]:
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    files = {"images": dump_idx(images), "labels": dump_idx(images[:, 0, 0])}
    return files | {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files.items()}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("target", "seconds"), [("decoding", 480), ("idx", 120)], ids=["decoding", "idx"]
)
def test_no_bytes_raise_anything_but_a_tenfold_error(
    target: str, seconds: int, tmp_path: Path
) -> None:
    pytest.importorskip("atheris", reason="Atheris has no wheel for this Python or system")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    files = list_images() if target == "decoding" else list_idx_files()
    for name, data in files.items():
        (corpus / name).write_bytes(data)
    command = [sys.executable, str(TARGET), target, f"-max_total_time={seconds}", *LIMITS]
    command += [f"-artifact_prefix={tmp_path}/", str(corpus)]
    fuzzed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert fuzzed.returncode == 0, fuzzed.stderr[-4000:]
    assert "Done " in fuzzed.stderr
