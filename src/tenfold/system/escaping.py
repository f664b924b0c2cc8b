"""Text that may have come from anybody, made safe to print: names of files, strings in files."""

import re

# Control characters, line and paragraph separators, what turns the direction of writing, and halves
# of surrogate pairs, which stand for bytes that are no text: a terminal would obey some of them,
# and others make one name look like another.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
FIRST_BYTE, LAST_BYTE = 0xDC80, 0xDCFF  # as which os.fsdecode gives bytes that are no text


def escape(text: str) -> str:
    r"""The text in one line that does nothing but show: ESC as \x1b, a line break as \n."""
    return UNPRINTABLE.sub(lambda found: _escape_one(found[0]), text)


def _escape_one(character: str) -> str:
    code = ord(character)
    if FIRST_BYTE <= code <= LAST_BYTE:
        return f"\\x{code - FIRST_BYTE + 0x80:02x}"
    return character.encode("unicode_escape").decode()
