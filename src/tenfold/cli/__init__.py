"""The command line: one file a verb; the only place that prints and exits.

Results go to stdout, progress and notes to stderr. A user's mistake is one line and exit code 2,
Ctrl-C is exit code 130.
"""

import errno
import io
import os
import sys

import cyclopts
from cyclopts import App

import tenfold
from tenfold.cli.output import STANDARD_INPUT
from tenfold.errors import TenfoldError
from tenfold.fields import describe_bad_value

EXIT_MISTAKE, EXIT_BROKEN_PIPE, EXIT_INTERRUPTED = 2, 1, 130
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

app = App(
    name="tenfold",
    help="Read handwritten digits, and train and measure classifiers of them.",
    help_prologue="Example: tenfold read photo.jpg",
    version=tenfold.__version__,
    version_flags=["--version"],
    help_format="markdown",  # paragraphs as wide as the terminal; plain text keeps its line breaks
    result_action="return_value",
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)
# Each is imported when it is called: `tenfold read` is half as long about it.
for verb, example, arguments in (
    ("read", "read photo.jpg scans/ --json", "FILE [FILE ...] [OPTIONS]"),
    ("serve", "serve --runs runs/", "[OPTIONS]"),
    ("train", "train classic --seed 1 --epochs 10", "[RECIPE] [OPTIONS]"),
    ("evaluate", "evaluate runs/2026-11-22-classic-0", "RUN [OPTIONS]"),
    ("export", "export runs/2026-11-22-reader-0 reader.onnx", "RUN [OUT] [OPTIONS]"),
    ("study", "study classic --seeds 20", "[RECIPE] [OPTIONS]"),
    ("compare", "compare studies/classic studies/strong", "STUDY [STUDY ...] [OPTIONS]"),
    ("runs", "runs", "[FOLDER] [OPTIONS]"),
    ("recipes", "recipes strong --show", "[RECIPE] [OPTIONS]"),
    ("data", "data --sheet digits.png", "[OPTIONS]"),
):
    app.command(
        f"tenfold.cli.{verb}:{verb}",
        help_prologue=f"Example: tenfold {example}",
        usage=f"tenfold {verb} {arguments}",
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are sys.argv's unless given."""
    # A terminal or pipe that is not UTF-8 gets question marks, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        tokens = sys.argv[1:] if arguments is None else arguments
        if tokens[:1] == ["read"]:
            # To the parser a lone dash looks like an option without a name.
            tokens = [STANDARD_INPUT if token == "-" else token for token in tokens]
        code = app(tokens)
        sys.stdout.flush()
    except TenfoldError as error:
        return _report_mistake("; ".join([str(error), *getattr(error, "__notes__", ())]))
    except cyclopts.CycloptsError as error:
        return _report_mistake(_explain(error))
    except KeyboardInterrupt as error:
        message = "; ".join(["interrupted", *getattr(error, "__notes__", ())])
        _tell(message)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read our output has left, as `head` does
        _drop_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _drop_output()
        where = error.filename or "output"
        return _report_mistake(f"{where}: expected room to write, found: {error.strerror}")
    return code or 0


def _drop_output() -> None:
    """Let what is not printed yet go nowhere: Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_mistake(message: str) -> int:
    _tell(" ".join(message.replace(STANDARD_INPUT, "-").split()))
    return EXIT_MISTAKE


def _tell(message: str) -> None:
    """Print a message; among processes that train together not what the first one prints, too."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        from tenfold.training.processes import is_told_by_the_first

        if is_told_by_the_first():
            return
    print(f"tenfold: {message}", file=sys.stderr)


def _explain(error: cyclopts.CycloptsError) -> str:
    """What the parser says of an argument; for a recipe's field, with the range that it takes."""
    if isinstance(error, cyclopts.CoercionError) and error.argument:
        from tenfold.recipes import list_fields

        field = list_fields().get(error.argument.name.removeprefix("--").replace("-", "_"))
        if field is not None:
            tokens = [error.token] if error.token else error.argument.tokens
            found = " ".join(token.value for token in tokens)
            return describe_bad_value(field.name, found, field.metadata["allowed"])
    return str(error)
