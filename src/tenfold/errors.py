"""The errors that a user can cause and correct.

    TenfoldError             its one-line message says where the problem is and how to fix it
    ├── DataError            a data folder or a file in it cannot be used
    │   └── ArrayError       arrays are not images or labels; also a ValueError
    ├── RecipeError          a recipe is unknown, or a field is out of range
    ├── RunError             a run folder cannot be written, read or used
    │   ├── ResumeError      a run cannot be continued from its checkpoint
    │   └── DivergedError    the training loss is infinite or not a number
    ├── StudyError           a study cannot be read, continued or compared
    ├── ImageError           an image cannot be decoded
    ├── ImageTypeError       an object is nothing that an image can be read from; also a TypeError
    ├── ReadingError         images cannot be read with these options
    ├── FormError            a form, or a table of its readings, cannot be used
    ├── ModelError           an ONNX file is not a model that Tenfold exported
    ├── ServingError         a server cannot be started with these options
    ├── ClusterError         a Ray cluster cannot be started, joined or used
    └── MissingExtraError    an extra of Tenfold is not installed

Any other exception is a bug. This module imports nothing.
"""


class TenfoldError(Exception):
    """A mistake that the user can correct; the message says how."""


class DataError(TenfoldError):
    """A data folder, an IDX file or an image cannot be used."""


class ArrayError(DataError, ValueError):
    """Arrays cannot be used as images or labels: their shape, type or values do not fit."""


class RecipeError(TenfoldError):
    """A recipe is unknown, or one of its fields has a value outside its range."""


class RunError(TenfoldError):
    """A run folder cannot be written, read or used as asked."""


class ResumeError(RunError):
    """A run cannot be continued: its checkpoint is damaged or of another run."""


class DivergedError(RunError):
    """The training loss is infinite or not a number; resuming would give the same."""


class StudyError(TenfoldError):
    """A study cannot be read, continued or compared."""


class ImageError(TenfoldError):
    """An image cannot be decoded: it is damaged, too large, or not an image."""


class ImageTypeError(TenfoldError, TypeError):
    """An object is nothing that an image can be read from, such as None or a list."""


class ReadingError(TenfoldError):
    """Images cannot be read with these options, or the output is of other images."""


class FormError(TenfoldError):
    """A form, its reference picture or a table of readings of it cannot be used as asked."""


class ModelError(TenfoldError):
    """An ONNX file cannot be read, or is not a model that Tenfold exported."""


class ServingError(TenfoldError):
    """A server cannot be started: an address, folder or token cannot be used."""


class ClusterError(TenfoldError):
    """A Ray cluster cannot be started, joined or used."""


class MissingExtraError(TenfoldError):
    """An extra of Tenfold, whose packages are needed, is not installed."""


def describe_install(extra: str) -> str:
    """How to install an extra: from an index or over an installed wheel, or in a checkout."""
    return f"pip install 'tenfold[{extra}]', or in a checkout pip install '.[{extra}]'"
