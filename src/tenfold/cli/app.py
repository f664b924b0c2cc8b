"""The verbs, and the parser that calls them."""

import os
import shlex
from contextlib import suppress

import cyclopts
from cyclopts import App

import tenfold
from tenfold.cli import NUM_STANDARD_STREAMS, STANDARD_INPUT
from tenfold.errors import TenfoldError
from tenfold.recipes.fields import describe_bad_value

# Columns: layout for one or two never ends, that for very many fills the memory.
NARROWEST, WIDEST = 20, 1000

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


def call(tokens: list[str]) -> int:
    """Do what the command line says and return the exit code.

    Raises TenfoldError for words that mean nothing.
    """
    _refuse_empty(tokens)
    _limit_width()
    if tokens[:1] == ["read"]:
        # To the parser a lone dash looks like an option without a name.
        tokens = [STANDARD_INPUT if token == "-" else token for token in tokens]
    try:
        return app(tokens) or 0
    except cyclopts.CycloptsError as error:
        raise TenfoldError(_explain(error)) from error


def _refuse_empty(tokens: list[str]) -> None:
    """Raise TenfoldError for an empty argument, which as a path would be the current folder."""
    for number, token in enumerate(tokens):
        is_empty_value = token.startswith("--") and token.endswith("=")
        if token and not is_empty_value:
            continue
        before = ["tenfold", *tokens[:number], *([token[:-1]] if is_empty_value else [])]
        raise TenfoldError(
            f"expected no empty argument, found one after `{shlex.join(before)}`: is a variable "
            "of the shell not set?"
        )


def _limit_width() -> None:
    """Let a terminal pass for one that text can be laid out on."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        width = int(columns[:9]) if columns.isdecimal() else 0
        os.environ["COLUMNS"] = str(min(WIDEST, max(NARROWEST, width)))
        return
    for number in range(NUM_STANDARD_STREAMS):
        with suppress(OSError):  # it is no terminal
            if 0 < os.get_terminal_size(number).columns < NARROWEST:
                os.environ["COLUMNS"] = str(NARROWEST)


def _explain(error: cyclopts.CycloptsError) -> str:
    """What the parser says of an argument; for a recipe's field, with the range that it takes."""
    if isinstance(error, cyclopts.CoercionError) and error.argument:
        from tenfold.recipes.recipe import list_fields

        field = list_fields().get(error.argument.name.removeprefix("--").replace("-", "_"))
        if field is not None:
            tokens = [error.token] if error.token else error.argument.tokens
            found = " ".join(token.value for token in tokens)
            return describe_bad_value(field.name, found, field.metadata["allowed"])
    return str(error)
