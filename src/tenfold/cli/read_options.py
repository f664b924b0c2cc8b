"""The options of `tenfold read`, and their checks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from tenfold.cli.options import Address, DigitModel, Engine, Flag, LineModel
from tenfold.cli.tokens import STANDARD_INPUT
from tenfold.errors import ReadingError
from tenfold.reading.pattern import parse_pattern
from tenfold.reading.settings import DecimalSign, ReadingOptions
from tenfold.system.outputs import name_settings_file


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The options of `tenfold read`."""

    single: Flag = False
    """Read each image as one digit."""
    expect: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    """A pattern that every line fits, such as '######', '#{4,6}', '[1-9]#?', date or amount: # is a
    digit. What does not fit is uncertain."""
    digits: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=60))] = None
    """Short for --expect '#{N}': every line has so many digits."""
    signs: bool = True
    """Read the signs . , - + / : $ % beside digits, or leave them out."""
    decimal: DecimalSign = "."
    """The decimal sign, . or , where a number would be ambiguous, such as 1,234."""
    top: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=10))] = 0
    """With --json: so many of the likeliest labels of each digit and texts of each line."""
    json: Flag = False
    """Print JSON Lines, one object for each file or page."""
    csv: Flag = False
    """Print CSV, one row for each file or page."""
    table: Flag = False
    """Read the cells of a table, in rows and columns. In text and CSV, a question mark follows a
    doubtful cell; of several tables, CSV begins each row with file, page and row."""
    xlsx: Path | None = None
    """Write a workbook, with doubtful cells coloured: with --table a sheet for each table, with
    --form also a list of doubtful fields to correct, else a row for each file or page. Needs the
    extra `xlsx`."""
    pictures: Flag = False
    """With --table and --xlsx: put the picture of each cell beside it."""
    out: Path | None = None
    """Write JSON Lines or CSV to this file. Files that it already contains are skipped, so that a
    stopped command can be continued. Its settings are kept in NAME.settings.json."""
    watch: Flag = False
    """Stay, and read files as they come into the folders, each name once, until Ctrl-C. A file is
    read once it has been the same for two seconds. With --out, the same command again continues."""
    annotate: Path | None = None
    """A folder for copies of the images with boxes, digits and confidences."""
    stages: Path | None = None
    """With --single: a folder for pictures of the stages of reading."""
    model: DigitModel | None = None
    lines: LineModel | None = None
    form: Path | None = None
    """A form, made by `tenfold form new`: each image is a sheet of it, and a row of the table."""
    on: Engine | None = None
    """Read a folder on a Ray cluster, and write Parquet files to the folder that is named second.
    The same command again continues. Ray comes with the extra `cluster`."""
    address: Address | None = None

    @property
    def reading(self) -> ReadingOptions:
        """The options of the reader. Raises ReadingError for a wrong pattern, or two."""
        if self.expect is not None and self.expect.startswith("--"):
            raise ReadingError(f"--expect needs a value before {self.expect}")
        if self.expect is not None and self.digits is not None:
            raise ReadingError("--expect cannot be combined with --digits")
        if self.expect is not None:
            parse_pattern(self.expect)
        expect = self.expect if self.digits is None else f"#{{{self.digits}}}"
        return {
            "single": self.single,
            "expect": expect,
            "signs": self.signs,
            "decimal": self.decimal,
        }

    @property
    def format(self) -> Literal["json", "csv", "text"]:
        """The form of the output."""
        return "json" if self.json else "csv" if self.csv else "text"

    @property
    def settings(self) -> Path | None:
        """The file with the settings of the output file."""
        return None if self.out is None else name_settings_file(self.out)

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
        assert self.reading  # which raises
        if self.top and not self.json:
            raise ReadingError("--top needs --json")
        if self.json and self.csv:
            raise ReadingError("--json cannot be combined with --csv")
        if self.out is not None and self.format == "text":
            raise ReadingError("--out needs --json or --csv")
        self._check_tables()
        if self.stages is not None and not self.single:
            raise ReadingError("--stages needs --single, as it shows how one digit is read")
        for name in ("out", "xlsx", "annotate", "stages", "model", "lines", "form"):
            if getattr(self, name) == Path(STANDARD_INPUT):
                raise ReadingError(f"--{name} needs a path, and - is standard input")

    def _check_tables(self) -> None:
        kinds = {"table": self.table, "form": self.form is not None, "xlsx": self.xlsx is not None}
        if self.table and self.form is not None:
            raise ReadingError("--table cannot be combined with --form")
        for name in (name for name, is_given in kinds.items() if is_given):
            for other in ("watch", "top"):
                if getattr(self, other) and not (self.watch and self.form is not None):
                    raise ReadingError(f"--{name} cannot be combined with --{other}")
        if self.pictures and not (self.table and self.xlsx is not None):
            raise ReadingError("--pictures needs --table and --xlsx")
        for name, is_given in (("table", self.table), ("xlsx", self.xlsx is not None)):
            for other in ("annotate", "stages", "on", "address"):
                if is_given and getattr(self, other) is not None:
                    raise ReadingError(f"--{name} cannot be combined with --{other}")
        if self.xlsx is not None and self.form is None and self.format != "text":
            raise ReadingError(f"--xlsx cannot be combined with --{self.format}")
