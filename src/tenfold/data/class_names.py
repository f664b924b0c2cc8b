"""The names of the ten classes of images that are not digits, such as those of Fashion-MNIST."""

from collections.abc import Sequence
from pathlib import Path

from tenfold.digits import NUM_CLASSES
from tenfold.errors import DataError

FILE = "classes.txt"  # in a data folder: a name in each line
MAX_CHARACTERS = 40


def find_class_names(data: Path | None) -> tuple[str, ...]:
    """The names in classes.txt of a data folder; empty if there is no such file.

    Raises DataError if the file cannot be used.
    """
    if data is None or not (data / FILE).is_file():
        return ()
    path = data / FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    return check_class_names(text.splitlines(), str(path))


def check_class_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names of the classes 0 to 9, without the spaces around them; `where` is for errors.

    Raises DataError unless they are ten different names of at most 40 characters.
    """
    stripped = tuple(name.strip() for name in names if name.strip())
    if len(stripped) != NUM_CLASSES:
        raise DataError(f"{where}: has {len(stripped)} names, but must have {NUM_CLASSES}")
    for number, name in enumerate(stripped):
        if len(name) > MAX_CHARACTERS or not name.isprintable():
            raise DataError(
                f"{where}: the name of class {number} must be at most {MAX_CHARACTERS} printable "
                f"characters, not {name[:MAX_CHARACTERS]!r}"
            )
        if name in stripped[:number]:
            raise DataError(f"{where}: two classes have the name {name!r}")
    return stripped
