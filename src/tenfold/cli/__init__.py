"""The command line: one file for each verb. Only this package prints and exits.

Results go to stdout, progress and notes to stderr. A user's mistake prints one line and exits with
2, Ctrl-C exits with 130, also while modules are imported. So `main` imports the slow modules, and
this module imports little.
"""

import errno
import io
import os
import sys
import warnings

from tenfold.errors import TenfoldError

EXIT_MISTAKE, EXIT_BROKEN_PIPE, EXIT_INTERRUPTED = 2, 1, 130
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
STANDARD_INPUT = "\0-"  # stands for a lone dash; no file has such a name
NUM_STANDARD_STREAMS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are sys.argv's unless given."""
    try:
        _check_surroundings()
        from tenfold.cli.app import call

        code = call(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        return _report_interrupt(error)
    except TenfoldError as error:
        if _is_caused_by_interrupt(error):
            return _report_interrupt(error)
        return _report_mistake(_join(str(error), error))
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        _drop_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        _drop_output()
        reason = (error.strerror or str(error)).lower()
        return _report_mistake(f"cannot write {error.filename or 'the output'}: {reason}")
    return code


def _check_surroundings() -> None:
    """Make the standard streams usable.

    Raises TenfoldError if standard output or the current folder is gone.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed by a shell, with <&- or >&-
        # Otherwise a file opened later would get their descriptor, and the output of libraries.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) < NUM_STANDARD_STREAMS:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    if sys.stdout is None:
        raise TenfoldError("standard output is closed; redirect it to /dev/null instead")
    # A terminal or pipe that is not UTF-8 gets question marks instead of a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        os.getcwd()  # noqa: PTH109 - pathlib is not imported yet
    except OSError as error:
        raise TenfoldError(
            f"the current folder cannot be used: {error.strerror}; change to another folder"
        ) from error


def _is_caused_by_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C interrupted the import of ONNX Runtime, which raises ImportError for it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def _report_interrupt(error: BaseException) -> int:
    warnings.simplefilter("ignore")  # asyncio's, about a server that was starting
    _tell(_join("interrupted", error))
    return EXIT_INTERRUPTED


def _join(message: str, error: BaseException) -> str:
    return "; ".join([message, *getattr(error, "__notes__", ())])


def _drop_output() -> None:
    """Discard buffered output, which Python would otherwise write again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_mistake(message: str) -> int:
    _tell(" ".join(message.replace(STANDARD_INPUT, "-").split()))
    return EXIT_MISTAKE


def _tell(message: str) -> None:
    from tenfold.system.escaping import escape

    print(f"tenfold: {escape(message)}", file=sys.stderr)
