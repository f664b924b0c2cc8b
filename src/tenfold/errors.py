"""The errors that a user can cause.

    TenfoldError             what was expected, what was found, what to do; printed in one line
    ├── DataError            a data folder, an IDX file or an image that cannot be used
    ├── RecipeError          an unknown recipe, or a field with a value outside its range
    ├── RunError             a run folder that cannot be written, read, or does not fit
    │   ├── ResumeError      a run whose checkpoint is damaged or another run's
    │   └── DivergedError    a training whose losses are no numbers any more
    ├── StudyError           a study that cannot be read, continued or compared
    ├── ImageError           an image that cannot be decoded
    ├── ReadingError         images that cannot be read as asked
    ├── ModelError           an ONNX file that is no model exported by Tenfold
    ├── ServingError         a server that cannot be started as asked
    ├── ClusterError         a Ray cluster that cannot be worked on
    └── MissingExtraError    packages that Tenfold was installed without

Everything else that escapes Tenfold is a bug. This module imports nothing.
"""


class TenfoldError(Exception):
    """A mistake that the user can mend; the message says how."""


class DataError(TenfoldError):
    """A data folder, an IDX file or an image cannot be used."""


class RecipeError(TenfoldError):
    """A recipe is unknown, or one of its fields has a value outside its range."""


class RunError(TenfoldError):
    """A run folder cannot be written or read, or does not fit what is asked of it."""


class ResumeError(RunError):
    """A run cannot go on from its checkpoint: it is damaged, or another run's."""


class DivergedError(RunError):
    """A training's losses are no numbers any more; going on would give the same."""


class StudyError(TenfoldError):
    """A study cannot be read, continued or compared."""


class ImageError(TenfoldError):
    """An image cannot be decoded: damaged, too large, or none at all."""


class ReadingError(TenfoldError):
    """Images cannot be read as asked: flags that do not fit, an output of other images."""


class ModelError(TenfoldError):
    """An ONNX file cannot be read, or is no model that Tenfold exported."""


class ServingError(TenfoldError):
    """A server cannot be started as asked: addresses, folders or tokens that do not fit."""


class ClusterError(TenfoldError):
    """A Ray cluster cannot be started, joined or worked on."""


class MissingExtraError(TenfoldError):
    """What is asked for needs packages of an extra that is not installed."""
