"""The commands, and the parser that calls them."""

import os
import shlex
from contextlib import suppress

import cyclopts
from cyclopts import App, Group, Parameter

import tenfold
from tenfold.cli.tokens import prepare_tokens
from tenfold.errors import TenfoldError
from tenfold.recipes.fields import describe_bad_value

# In columns. Rich never finishes at one or two columns, and fills the memory at very many.
NARROWEST, WIDEST = 20, 1000
INSTALL_COMPLETION = "--install-completion"
OPTIONS = Group.create_default_parameters("Options")  # as the usage line calls them

READ, TRAIN, SERVE, OTHER = (
    Group(name, sort_key=number)
    for number, name in enumerate(("Read", "Train and measure", "Serve", "Other"), 1)
)
# In the order of the help: group, summary, example, and arguments for the usage line, as the
# parser's own usage line calls all arguments that have a default ARGS.
VERBS = {
    "read": (READ, "Read handwritten digits from images.", "photo.jpg scans/ --json", "FILES..."),
    "form": (
        READ,
        "Make a form to read sheets by, or merge corrections into their table.",
        "new sheet.png -o marks.toml",
        "new|merge FILE",
    ),
    "train": (TRAIN, "Train a recipe and evaluate it.", "classic --seed 1 --epochs 10", "[RECIPE]"),
    "evaluate": (TRAIN, "Evaluate finished runs again.", "runs/2026-11-22-classic-0", "RUNS..."),
    "predict": (
        TRAIN,
        "Write what a run says of images, for Kaggle or other tools.",
        "runs/2026-11-22-classic-0 --data test.csv --csv submission.csv",
        "RUN",
    ),
    "export": (
        TRAIN,
        "Write the model of a run as an ONNX file or as C.",
        "runs/2026-11-22-reader-0 reader.onnx",
        "RUN [OUT]",
    ),
    "study": (TRAIN, "Train a recipe with many seeds.", "classic --seeds 20", "[RECIPE]"),
    "compare": (
        TRAIN,
        "Compare studies or runs of the same images.",
        "studies/classic studies/strong",
        "FOLDERS...",
    ),
    "audit": (
        TRAIN,
        "Measure what a model's answers are worth.",
        "runs/2026-11-22-strong-0",
        "RUN",
    ),
    "runs": (TRAIN, "List runs and studies.", "", "[FOLDERS...]"),
    "recipes": (TRAIN, "List the recipes, or show one.", "strong --show", "[RECIPE]"),
    "data": (TRAIN, "Show the training and test images.", "--sheet digits.png", ""),
    "serve": (SERVE, "Serve a web page and an HTTP API for reading.", "--port 8080", ""),
}

# The usage and the help of each action of `tenfold form`.
FORM_ACTIONS = {
    "new": (
        "tenfold form new SHEET -o FORM.toml [OPTIONS]",
        "Make a form from a scan of a sheet, blank if there is one. Its printed boxes become "
        "fields; the picture that sheets are compared with is written beside the form.",
    ),
    "merge": (
        "tenfold form merge WORKBOOK -o FILE [OPTIONS]",
        "Merge the correct values that were entered in the sheet `review` of a workbook, which "
        "`tenfold read --form --xlsx` wrote, into its table, and write that as CSV or XLSX.",
    ),
}

app = App(
    name="tenfold",
    help="Read handwritten digits, and train and measure classifiers of them.",
    help_epilogue="Example: tenfold read photo.jpg",
    version=tenfold.__version__,
    version_flags=["--version", "-V"],
    help_format="markdown",  # fills the lines; "plaintext" keeps the breaks of the source
    group_commands=OTHER,
    group_parameters=OPTIONS,
    default_parameter=Parameter(show_default=False),  # the help texts name the defaults
    result_action="return_value",
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)
# Each module is imported when its command is called: `tenfold read` starts in half the time.
USAGE = {}
for number, (verb, (group, summary, example, arguments)) in enumerate(VERBS.items()):
    USAGE[verb] = " ".join(filter(None, ["tenfold", verb, arguments, "[OPTIONS]"]))
    app.command(
        f"tenfold.cli.{verb}:{verb}",
        help=summary,
        help_epilogue=f"Example: tenfold {verb} {example}".rstrip(),
        usage=USAGE[verb],
        group=group,
        sort_key=number,
    )
app["--help"].help = "Print this help, or the help of a command."
app["--version"].help = "Print the version."
app.register_install_completion_command(
    INSTALL_COMPLETION,
    group=OTHER,
    help="Install shell completion: bash, zsh, fish or PowerShell.",
    help_epilogue=f"Example: tenfold {INSTALL_COMPLETION}",
)


def call(tokens: list[str]) -> int:
    """Run a command line and return the exit code.

    Raises TenfoldError if the command line is invalid.
    """
    tokens = prepare_tokens(tokens)
    _limit_width()
    verb = tokens[0] if tokens else ""
    try:
        if verb in VERBS:
            app[verb].help = None  # its own page shows its docstring instead of the summary
        if verb == "form" and tokens[1:2] and tokens[1] in FORM_ACTIONS:
            app[verb].usage, app[verb].help = FORM_ACTIONS[tokens[1]]
        return app(tokens) or 0
    except cyclopts.CycloptsError as error:
        raise TenfoldError(_explain(error)) from error
    except OSError as error:
        if verb != INSTALL_COMPLETION:
            raise
        raise TenfoldError(
            f"cannot install the completion: cannot write {error.filename}: {error.strerror}"
        ) from error
    finally:
        if verb in VERBS:
            app[verb].usage, app[verb].help = USAGE[verb], VERBS[verb][1]


def _limit_width() -> None:
    """Set COLUMNS if the terminal is narrower or wider than what can be laid out."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        width = int(columns[:9]) if columns.isdecimal() else 0
        os.environ["COLUMNS"] = str(min(WIDEST, max(NARROWEST, width)))
        return
    for descriptor in range(3):  # the standard streams
        with suppress(OSError):  # not a terminal
            if 0 < os.get_terminal_size(descriptor).columns < NARROWEST:
                os.environ["COLUMNS"] = str(NARROWEST)


def _explain(error: cyclopts.CycloptsError) -> str:
    """The parser's message; for a field of a recipe, with the range that it takes."""
    if isinstance(error, cyclopts.CoercionError) and error.argument:
        from tenfold.recipes.recipe import list_fields

        field = list_fields().get(error.argument.name.removeprefix("--").replace("-", "_"))
        if field is not None:
            tokens = [error.token] if error.token else error.argument.tokens
            given = " ".join(token.value for token in tokens)
            return describe_bad_value(field.name, given, field.metadata["allowed"])
        if error.msg is not None:  # from a converter
            return f"{error.argument.name} {error.msg}"
    verb = " ".join(error.command_chain or ())
    usage = f"; usage: {USAGE[verb]}" if verb in USAGE else ""
    if isinstance(error, cyclopts.MissingArgumentError) and error.argument:
        name = error.argument.name
        return f"{name} needs a value" if name.startswith("-") else f"missing {name}{usage}"
    if isinstance(error, cyclopts.UnusedCliTokensError) and error.unused_tokens:
        return f"too many arguments: {shlex.join(error.unused_tokens)}{usage}"
    return str(error)
