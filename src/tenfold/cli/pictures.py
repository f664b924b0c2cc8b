"""The pictures that `tenfold read --annotate` and `--stages` write."""

from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.output import print_note
from tenfold.cli.read_options import ReadOptions
from tenfold.cli.read_output import writing
from tenfold.errors import ImageError
from tenfold.system.files import make_folder

if TYPE_CHECKING:
    from tenfold.reading.bulk import File
    from tenfold.reading.result import Reading

Stamp = tuple[int, int, int]  # inode, size and time of modification


class Pictures:
    """Writes the pictures of each image, if there are to be any."""

    def __init__(self, options: ReadOptions) -> None:
        self.options = options

    def make_folders(self) -> None:
        """Make the folders before anything is read, so that errors come early.

        New ones get a mark, so that later calls do not read the pictures as images.
        """
        from tenfold.reading.bulk import PICTURES_MARK

        for folder in self.options.picture_folders:
            with writing(folder):
                make_folder(folder)
                if not any(folder.iterdir()):
                    (folder / PICTURES_MARK).touch()

    def stamp(self, file: "File") -> Stamp | None:
        """The stamp of a file that a picture needs again, to notice if it changes meanwhile."""
        if isinstance(file, bytes) or not self.options.picture_folders:
            return None
        try:
            state = file.stat()
        except (OSError, ValueError):
            return None
        return state.st_ino, state.st_size, state.st_mtime_ns

    def write(self, name: str, file: "File", reading: "Reading", stamp: Stamp | None) -> bool:
        """Write an image's pictures. If it cannot be read again, print a note and return False."""
        if not self.options.picture_folders or reading.status == "error":
            return True
        from tenfold.reading.annotate import annotate, draw_stages
        from tenfold.reading.reader import Reader
        from tenfold.reading.sources import decode_source, split_pages

        try:
            pages = split_pages(file)[(reading.page or 1) - 1 :]
            decoded = decode_source(pages[0] if pages else file)
            if self.stamp(file) != stamp:
                raise ImageError("the file changed after it was read")
        except ImageError as error:
            print_note(f"{name}: no picture: {error}")
            return False
        stem = "standard-input" if name == "-" else Path(name).stem
        if reading.page is not None:
            stem += f"-page-{reading.page}"
        if self.options.annotate is not None:
            image = annotate(decoded, reading)
            with writing(self.options.annotate):
                image.save(_find_free(self.options.annotate, stem, ".png"))
        if self.options.stages is not None:
            pictures = draw_stages(decoded, Reader(self.options.model))
            with writing(self.options.stages):
                folder = _find_free(self.options.stages, stem, "")
                folder.mkdir()
                for stage, picture in pictures.items():
                    picture.save(folder / f"{stage}.png")
        return True


def _find_free(folder: Path, stem: str, suffix: str) -> Path:
    """A path that does not exist, numbered if an earlier input has the same name."""
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path
