"""The kinds of files and folders that data can be in, told by their names."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tenfold.data.folders import find_idx_pair, load_idx_pair, load_image_folders
from tenfold.data.numpy_files import find_npy_pair, load_npy, load_npy_pair, load_npz
from tenfold.data.parquet import load_parquet
from tenfold.data.pixels import Arrays, Part
from tenfold.data.tables import load_csv
from tenfold.errors import DataError

SUFFIXES = (".csv", ".npz", ".npy", ".parquet")


def load_arrays(path: Path, part: Part | None) -> Arrays:
    """The images of a part, uint8 [N, 28, 28], and their labels, uint8 [N], or None without labels.

    `path` is a folder or a file. A file of one set of images is taken for training images. Without
    a part, a file gives all its images, and what has two parts the test images.

    Raises DataError if they cannot be read, MissingExtraError for Parquet without pyarrow.
    """
    try:
        if path.is_dir():
            return _load_from_folder(path, part or "test")
        return _load_from_file(path, part)
    except OSError as error:  # such as a name that is too long
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _load_from_file(path: Path, part: Part | None) -> Arrays:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or not path.exists():
        reason = "no such folder"
        if path.exists():
            reason = f"is not a folder, nor a file that ends with {', '.join(SUFFIXES)}"
        elif suffix in SUFFIXES:
            reason = "no such file"
        raise DataError(f"{path}: {reason}; --data takes a folder or a file of images")
    if suffix == ".npz":
        return load_npz(path, part)
    if part == "test":
        raise DataError(f"{path}: a single {suffix} file has no test images")
    if suffix == ".csv":
        return load_csv(path)
    return load_npy(path) if suffix == ".npy" else load_parquet([path])


def _load_from_folder(folder: Path, part: Part) -> Arrays:
    if (folder / part).is_dir():
        return load_image_folders(folder / part)
    idx = find_idx_pair(folder, part)
    (images_name, images), (labels_name, labels) = idx.items()
    if images and labels:
        return load_idx_pair(images, labels)
    found = _list_tables(folder, part) if not images and not labels else {}
    if len(found) > 1:
        raise DataError(
            f"{folder}: several files may have the {part} images: {', '.join(found)}; name one of "
            "them, or move the others away"
        )
    for load in found.values():
        return load()
    missing = labels_name if images else images_name
    raise DataError(
        f"{folder}: there is neither {missing} (or {missing}.gz) nor a folder {part} with images "
        f"in {part}/0 ... {part}/9; other formats are {part}.csv, {part}_images.npy, "
        f"{part}.parquet and .npz"
    )


def _list_tables(folder: Path, part: Part) -> dict[str, Callable[[], Arrays]]:
    """Every other file that may have the images of a part, and how to load it."""
    found: dict[str, Callable[[], Arrays]] = {}
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in paths:
        stem, suffix = path.stem.lower(), path.suffix.lower()
        # train.csv is Kaggle's name; mnist_train.csv and emnist-digits-train.csv circulate, too.
        if suffix == ".csv" and stem.replace("-", "_").split("_")[-1] == part:
            found[path.name] = partial(load_csv, path)
        elif suffix == ".npz":
            found[path.name] = partial(load_npz, path, part)
    pair = find_npy_pair(folder, part)
    if pair:
        found[pair[0].name] = partial(load_npy_pair, *pair)
    # Data sets on Hugging Face are split into files such as train-00000-of-00001.parquet.
    shards = [
        path
        for path in paths
        if path.suffix.lower() == ".parquet" and path.stem.split("-")[0] == part
    ]
    if shards:
        found[shards[0].name] = partial(load_parquet, shards)
    return found
