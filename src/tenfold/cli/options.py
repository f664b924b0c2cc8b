"""Options that several commands share, and the types of options."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from cyclopts import Parameter, Token


def parse_whole_numbers(kind: Any, tokens: Sequence[Token]) -> int | tuple[int, ...]:  # noqa: ANN401
    """Convert arguments to int. The parser's own conversion rounds 1.5 to 2."""
    try:
        values = tuple(int(token.value) for token in tokens)
    except ValueError:
        given = " ".join(token.value for token in tokens)
        raise ValueError(f"must be a whole number, not {given}") from None
    return values if get_origin(kind) is tuple else values[0]


def list_given(options: object) -> dict[str, Any]:
    """The fields of a dataclass of options that were given, where None is the default."""
    return {name: value for name, value in vars(options).items() if value is not None}


Flag = Annotated[bool, Parameter(negative=())]
WholeNumber = Annotated[int, Parameter(converter=parse_whole_numbers)]
Engine = Literal["ray"]

AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
RecipeName = Annotated[
    str,
    Parameter(help="The name of a recipe; by default classic. `tenfold recipes` lists them."),
]
DataFolder = Annotated[
    Path,
    Parameter(
        help="A folder of IDX files, or of images in train/0 ... train/9 and test/0 ... test/9; or "
        "CSV, NumPy or Parquet files, in a folder or alone; by default MNIST."
    ),
]
ClassNames = Annotated[
    tuple[str, ...],
    Parameter(
        negative=(),
        consume_multiple=True,
        help="Ten names, for images other than digits; by default those in classes.txt of the data "
        "folder.",
    ),
]
MovedData = Annotated[
    Path,
    Parameter(help="The folder of the data, needed if it has moved. The data must be the same."),
]
Holdout = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Train on five sixths of the training images and evaluate on the remaining sixth (for "
        "MNIST, the 10,005 images by every sixth writer), not on the test images. Use it to choose "
        "between recipes.",
    ),
]
DigitModel = Annotated[
    Path,
    Parameter(help="A digit model that `tenfold export` wrote; by default the bundled one."),
]
LineModel = Annotated[
    Path,
    Parameter(
        help="A model of lines that `tools/train_reading.py` wrote; by default the bundled one."
    ),
]
Address = Annotated[
    str,
    Parameter(
        help="With --on ray: HOST:PORT of the cluster; by default Ray is started on this machine."
    ),
]
