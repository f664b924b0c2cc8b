"""The command line: one module for each command. Only this package prints and exits.

Results go to stdout, progress and notes to stderr. A TenfoldError is printed in one line and exits
with 2, Ctrl-C with 130. This holds during imports, too: `main` imports the slow modules, and this
module imports little.
"""

import errno
import io
import os
import sys
import warnings

from tenfold.cli.tokens import STANDARD_INPUT
from tenfold.errors import TenfoldError

EXIT_MISTAKE, EXIT_BROKEN_PIPE, EXIT_INTERRUPTED = 2, 1, 130
STDERR = 2  # its file descriptor
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; by default with the arguments of the process."""
    try:
        _prepare_streams()
        from tenfold.cli.app import call

        code = call(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as error:
        return _report_interrupt(error)
    except TenfoldError as error:
        if _is_caused_by_interrupt(error):
            return _report_interrupt(error)
        return _report(str(error), error, EXIT_MISTAKE)
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        _drop_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        _drop_output()
        reason = (error.strerror or str(error)).lower()
        message = f"cannot write {error.filename or 'the output'}: {reason}"
        return _report(message, error, EXIT_MISTAKE)


def _prepare_streams() -> None:
    """Make the standard streams usable.

    Raises TenfoldError if standard output or the current folder is gone.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed by a shell, with <&- or >&-
        # Otherwise a file that is opened later gets the descriptor, and what libraries print.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = os.fdopen(STDERR, "w", closefd=False)
    if sys.stdout is None:
        raise TenfoldError("standard output is closed; redirect it to /dev/null instead")
    # Streams that are not UTF-8 get question marks instead of a UnicodeEncodeError.
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
    """Whether Ctrl-C came while ONNX Runtime was imported, which turns it into ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def _report_interrupt(error: BaseException) -> int:
    warnings.simplefilter("ignore")  # asyncio's, about coroutines of a server that was starting
    return _report("interrupted", error, EXIT_INTERRUPTED)


def _report(message: str, error: BaseException, code: int) -> int:
    """Print one line with the error's notes, and return the code."""
    from tenfold.system.escaping import escape

    line = " ".join(message.replace(STANDARD_INPUT, "-").split())
    text = "; ".join([line, *getattr(error, "__notes__", ())])
    print(f"tenfold: {escape(text)}", file=sys.stderr)
    return code


def _drop_output() -> None:
    """Discard the buffered output, which Python would otherwise flush again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
