"""What reading answers with: digits, a status, and a sentence where one is needed."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tenfold.reading.digit_image import DigitImage
from tenfold.reading.glyphs import Box


class Status(StrEnum):
    """What a reading is worth: only `read` is to be relied on; `error` says it is no image."""

    READ = "read"
    UNCERTAIN = "uncertain"
    BLANK = "blank"
    NOT_DIGITS = "not_digits"
    ERROR = "error"


@dataclass(frozen=True)
class ReadDigit:
    """One digit: its confidence from 0 to 1, its box in the image's pixels, its line from 0.

    The box is left, top, right, bottom. `probabilities` are those of the ten digits; that it is
    none has the rest. `image` is what the network saw, uint8 [28, 28]. `is_sure` says whether it
    may be relied on: of a line that was read as a whole, either all digits or none; the reading's
    message tells those that make such a line doubtful.
    """

    digit: int
    confidence: float
    box: Box
    probabilities: tuple[float, ...]
    image: DigitImage = field(repr=False, compare=False)
    line: int = 0
    is_sure: bool = False

    def to_json(self) -> dict[str, Any]:
        """Digit, confidence, box, line and whether it is sure as JSON values."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, 4),
            "box": list(self.box),
            "line": self.line,
            "is_sure": self.is_sure,
        }


@dataclass(frozen=True)
class Reading:
    """The answer for an image; `message` says in words what is wrong, None if nothing is."""

    status: Status
    digits: tuple[ReadDigit, ...] = ()
    message: str | None = None

    @property
    def text(self) -> str:
        """The digits, a line for each line of them; empty unless they are read or uncertain."""
        if self.status not in (Status.READ, Status.UNCERTAIN):
            return ""
        lines: dict[int, str] = {}
        for digit in self.digits:
            lines[digit.line] = lines.get(digit.line, "") + str(digit.digit)
        return "\n".join(lines[line] for line in sorted(lines))

    def to_json(self) -> dict[str, Any]:
        """Status, text, digits and message as JSON values."""
        return {
            "status": str(self.status),
            "text": self.text,
            "digits": [digit.to_json() for digit in self.digits],
            "message": self.message,
        }
