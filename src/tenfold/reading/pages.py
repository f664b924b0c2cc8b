"""Which frames of an opened image file are pages of a document."""

import itertools
import warnings

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from tenfold.errors import ImageError

ANIMATED = ("GIF", "PNG", "WEBP")
TIFF_KIND, TIFF_OLD_KIND = 254, 255
SMALLER_COPY, MASK, OLD_SMALLER_COPY = 1, 4, 2
MAX_PAGES_PIXELS = 5_000_000_000  # of a TIFF; A4 at 300 dpi has 9 megapixels


def find_pages(image: Image.Image) -> list[int]:
    """The numbers of a file's frames that are pages, from 0: those of a TIFF, else the first.

    Smaller copies of pages, such as a preview, and masks are no pages, unless they come first.
    Raises ImageError for too many pixels on all pages together.
    """
    pages, num_pixels = [0], image.width * image.height
    if not isinstance(image, TiffImageFile):
        return pages
    for frame in itertools.count(1):  # `check_structure` limits their number
        try:
            seek(image, frame)
            tags = image.tag_v2
            is_page = (
                not tags.get(TIFF_KIND, 0) & (SMALLER_COPY | MASK)
                and tags.get(TIFF_OLD_KIND) != OLD_SMALLER_COPY
            )
        except ImageError:
            raise
        except Exception:
            if image.tell() != frame:  # there are no more
                break
            is_page = True  # a damaged one, which raises when it is decoded
        if is_page:
            pages.append(frame)
            num_pixels += image.width * image.height
    if len(pages) > 1 and num_pixels > MAX_PAGES_PIXELS:
        raise ImageError(
            f"the TIFF has {num_pixels / 1e6:.0f} megapixels on {len(pages)} pages; "
            f"the limit is {MAX_PAGES_PIXELS / 1e6:.0f}"
        )
    return pages


def seek(image: Image.Image, frame: int) -> None:
    """Move to a frame. Raises whatever Pillow raises for damage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damage raises when it is decoded
        image.seek(frame)


def describe_rest(image: Image.Image) -> str | None:
    """That only the first page or frame was decoded; None if there are no others.

    Files with two pictures, as phones write them, are no animations: the second is a preview.
    """
    kind, num = "pages", len(find_pages(image))
    if image.format in ANIMATED:
        try:
            kind, num = "frames", getattr(image, "n_frames", 1)
        except Exception:  # a GIF that is damaged, or has too many parts, after its first frame
            return "only the first frame was read"
    return f"only the first of {num} {kind} was read" if num > 1 else None
