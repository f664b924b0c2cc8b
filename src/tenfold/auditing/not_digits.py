"""Images that show no digit: clothes, letters, other alphabets, and folders of images.

Array names carry their axes: N images, H rows, W columns.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from tenfold.data.folders import IMAGE_FORMATS, SYSTEM_FILES
from tenfold.data.handwriting import load_other_characters
from tenfold.data.idx import load_idx
from tenfold.data.mnist import hash_idx
from tenfold.data.pixels import Part
from tenfold.digits import IMAGE_SIZE_PX, WHITE
from tenfold.errors import DataError
from tenfold.reading.digit_image import normalise_digit
from tenfold.synthetic.characters import LETTERS, draw_font_character

Images = npt.NDArray[np.uint8]

FASHION = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
IDX_FILES: Mapping[Part, tuple[str, ...]] = MappingProxyType(
    {
        "train": ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"),
        "test": ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"),
    }
)
SHAPE = (None, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
MOST_IMAGES = 10_000  # of a source
NUM_LETTERS, NUM_CHARACTERS = 2000, 2000
MOST_PIXELS = 4_000_000  # of an image of one character
FAINTEST = 16  # of 255: the least contrast of ink


def load_not_digits(
    folders: Sequence[Path],
    seed: int = 0,
    *,
    own: tuple[Part, str] | None = None,
    with_default: bool = True,
) -> dict[str, Images]:
    """Images of no digit by the name of their source, uint8 [N, 28, 28], bright on black.

    Fashion-MNIST if Debian's package is installed, letters drawn with the bundled fonts, characters
    of other alphabets, and each of the folders; without `with_default`, only the folders. `own` is
    the part of the data that a model is audited on, and the checksum of its images: Fashion-MNIST
    is left out if they are its images.

    Raises DataError for a folder without images, or with those of `own`.
    """
    sources = _load_default(seed, own) if with_default else {}
    for folder in folders:
        if _has_images(folder, own):
            raise DataError(
                f"{folder}: has the images that the model is audited on; --not-digits takes others"
            )
        found = _find_idx(folder)
        name = folder.resolve().name
        name = str(folder) if name in sources else name
        sources[name] = _load_folder(folder) if found is None else _load_idx_images(found)
    return sources


def _load_default(seed: int, own: tuple[Part, str] | None) -> dict[str, Images]:
    sources: dict[str, Images] = {}
    fashion = _find_idx(FASHION)
    if fashion is not None and not _has_images(FASHION, own):
        sources["Fashion-MNIST"] = _load_idx_images(fashion)
    rng = np.random.default_rng(seed)
    letters = (LETTERS[int(rng.integers(len(LETTERS)))] for _ in range(NUM_LETTERS))
    sources["letters"] = np.array(
        [normalise_digit(draw_font_character(letter, rng)) for letter in letters]
    )
    characters_NHW = load_other_characters()
    rows = rng.choice(len(characters_NHW), min(NUM_CHARACTERS, len(characters_NHW)), replace=False)
    sources["other alphabets"] = np.array(
        [normalise_digit(characters_NHW[row] / np.float32(WHITE)) for row in np.sort(rows)]
    )
    return sources


def _has_images(folder: Path, own: tuple[Part, str] | None) -> bool:
    """Whether a folder of IDX files has the images of that part with that checksum."""
    if own is None:
        return False
    part, checksum = own
    path = _find_idx(folder, part)
    return path is not None and checksum == hash_idx(load_idx(path, SHAPE))


def _find_idx(folder: Path, part: Part = "test") -> Path | None:
    """The images of a part in a folder of IDX files, if it is one."""
    return next((folder / name for name in IDX_FILES[part] if (folder / name).is_file()), None)


def _load_idx_images(path: Path) -> Images:
    return load_idx(path, SHAPE)[:MOST_IMAGES]


def _load_folder(folder: Path) -> Images:
    """The images below a folder, each normalised as a digit is; at most MOST_IMAGES, spread out."""
    try:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; --not-digits takes a folder of images")
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".")
            if path.name.lower() not in SYSTEM_FILES
        )
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}") from error
    if not files:
        raise DataError(f"{folder}: has no images; --not-digits takes a folder of images")
    chosen = np.unique(np.linspace(0, len(files) - 1, min(len(files), MOST_IMAGES)).astype(int))
    return np.array([_load_image(files[number]) for number in chosen])


def _load_image(path: Path) -> Images:
    """One image, normalised; ink is what differs from the median of its border."""
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(
                    f"{path}: has {image.width} x {image.height} pixels; crop it to one character"
                )
            grey_HW = np.asarray(image.convert("L"), dtype=np.float32)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: not an image; --not-digits takes a folder of image files only"
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded: {error}") from error
    border = np.concatenate([grey_HW[0], grey_HW[-1], grey_HW[:, 0], grey_HW[:, -1]])
    ink_HW = np.abs(grey_HW - np.median(border))
    strongest = float(ink_HW.max())
    if strongest < FAINTEST:
        return np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    return normalise_digit(ink_HW / np.float32(strongest))
