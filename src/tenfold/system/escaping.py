"""Makes untrusted text, such as file names, safe to print on a terminal."""

import re
import sys
from contextlib import suppress

# Control characters, line and paragraph separators, marks of writing direction, and surrogates,
# which stand for undecodable bytes. A terminal interprets some, and others disguise a name.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
FIRST_BYTE, LAST_BYTE = (0xDC80, 0xDCFF)  # surrogates by which os.fsdecode represents bytes


def escape(text: str) -> str:
    r"""Escape what a terminal would interpret: ESC as \x1b, a line break as \n."""
    return UNPRINTABLE.sub(lambda found: _escape_one(found[0]), text)


def print_note(text: str) -> None:
    """Print a line to stderr at once; a closed pipe is ignored."""
    with suppress(BrokenPipeError):
        print(escape(text), file=sys.stderr, flush=True)  # noqa: T201


def _escape_one(character: str) -> str:
    code = ord(character)
    if FIRST_BYTE <= code <= LAST_BYTE:
        return f"\\x{code - FIRST_BYTE + 0x80:02x}"
    return character.encode("unicode_escape").decode()
