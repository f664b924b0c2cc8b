"""The options of `tenfold read`, and their checks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from tenfold.cli.options import Address, DigitModel, Engine, Flag, LineModel
from tenfold.cli.tokens import STANDARD_INPUT
from tenfold.errors import ReadingError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The options of `tenfold read`."""

    single: Flag = False
    """Read each image as one digit."""
    json: Flag = False
    """Print JSON Lines, one object for each file or page."""
    csv: Flag = False
    """Print CSV, one row for each file or page."""
    out: Path | None = None
    """Write JSON Lines or CSV to this file. Files that it already contains are skipped, so that a
    stopped command can be continued. Its settings are kept in NAME.settings.json."""
    annotate: Path | None = None
    """A folder for copies of the images with boxes, digits and confidences."""
    stages: Path | None = None
    """With --single: a folder for pictures of the stages of reading."""
    model: DigitModel | None = None
    lines: LineModel | None = None
    form: Path | None = None
    """A form, made by `tenfold form new`: each image is a sheet of it, and a row of the table."""
    xlsx: Path | None = None
    """With --form: write the table, and a list of doubtful fields for review, to this workbook.
    XLSX files come with the extra `xlsx`."""
    on: Engine | None = None
    """Read a folder on a Ray cluster, and write Parquet files to the folder that is named second.
    The same command again continues. Ray comes with the extra `cluster`."""
    address: Address | None = None

    @property
    def format(self) -> Literal["json", "csv", "text"]:
        """The form of the output."""
        return "json" if self.json else "csv" if self.csv else "text"

    @property
    def settings(self) -> Path | None:
        """The file with the settings of the output file."""
        return None if self.out is None else self.out.with_name(f"{self.out.name}.settings.json")

    @property
    def picture_folders(self) -> list[Path]:
        """The folders that pictures are written to."""
        return [path for path in (self.annotate, self.stages) if path is not None]

    @property
    def outputs(self) -> list[Path]:
        """The files and folders that are written."""
        files = [path for path in (self.out, self.settings, self.xlsx) if path is not None]
        return files + self.picture_folders

    def check(self) -> None:
        """Raise ReadingError for options that cannot be combined without Ray."""
        if self.json and self.csv:
            raise ReadingError("--json cannot be combined with --csv")
        if self.out is not None and self.format == "text":
            raise ReadingError("--out needs --json or --csv")
        if self.stages is not None and not self.single:
            raise ReadingError("--stages needs --single, as it shows how one digit is read")
        if self.xlsx is not None and self.form is None:
            raise ReadingError("--xlsx needs --form")
        for name in ("out", "annotate", "stages", "model", "lines", "form", "xlsx"):
            if getattr(self, name) == Path(STANDARD_INPUT):
                raise ReadingError(f"--{name} needs a path, and - is standard input")
