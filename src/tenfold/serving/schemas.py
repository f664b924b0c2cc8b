"""The schemas of requests and answers, for /openapi.json."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from tenfold.reading.model_file import ModelFile
from tenfold.runs.listing import State
from tenfold.serving.access import OPEN_PATHS
from tenfold.serving.problems import ALL_KINDS, CONTENT_TYPE

IMAGE_TYPES = (
    *("image/png", "image/jpeg", "image/webp", "image/bmp", "image/tiff", "image/gif"),
    *("image/x-portable-anymap", "image/heic", "application/octet-stream"),
)


class Health(BaseModel):
    """The health of a server."""

    status: Literal["live", "ready"]


class Digit(BaseModel):
    """One digit: its box is left, top, right, bottom in pixels of the image."""

    digit: int = Field(ge=0, le=9)
    confidence: float = Field(ge=0, le=1)
    box: list[int] = Field(min_length=4, max_length=4)
    is_sure: bool = Field(
        description="Whether this digit may be relied on. Of a line that is read as a whole, all "
        "digits or none: the message tells those that make it doubtful."
    )
    line: int = Field(ge=0, description="The line of digits that it is in.")


class Stage(BaseModel):
    """A stage of reading; the picture is a data URL."""

    name: str
    picture: str


class Seen(BaseModel):
    """The input and output of the network for a digit."""

    probabilities: list[float] = Field(min_length=10, max_length=10)
    none: float = Field(description="The probability that it is not a digit.")
    image: str = Field(description="The digit image, 28x28, a PNG file as a data URL.")
    occlusion: str = Field(
        description="Bright where hiding a part would have changed the answer most."
    )


class Reading(BaseModel):
    """The digits on an image. Rely on them only if the status is read."""

    status: Literal["read", "uncertain", "blank", "not_digits", "error"]
    text: str
    digits: list[Digit]
    message: str | None
    stages: list[Stage] | None = Field(None, description="Only with stages=true.")
    seen: list[Seen] | None = Field(
        None, description="Only with stages=true; one for each of the first 40 digits."
    )


class Model(BaseModel):
    """A network: what it is and how it was calibrated."""

    card: dict[str, Any]
    temperature: float
    is_calibrated: bool
    read_threshold: float
    not_digit_threshold: float

    @classmethod
    def describe(cls, model: ModelFile) -> "Model":
        """Describe a loaded model by its metadata."""
        return cls(
            card=model.card,
            temperature=model.calibration.temperature,
            is_calibrated=model.calibration.is_fitted,
            read_threshold=model.thresholds.read,
            not_digit_threshold=model.thresholds.not_digit,
        )


class Models(BaseModel):
    """The networks of a server: of single digits, and of lines."""

    reader: Model
    lines: Model
    needs_token: bool = Field(description="Whether requests must carry a token.")


class ShownRun(BaseModel):
    """A run or a study."""

    name: str
    kind: Literal["run", "study"]
    recipe: str | None
    seed: int | None
    state: State = Field(description="Stopped: no process trains it, and it can be resumed.")
    accuracy: float | None = Field(None, description="A share from 0 to 1; of a study, its mean.")
    has_report: bool
    has_losses: bool


class Shelf(BaseModel):
    """The runs and studies that a server shows, if it shows any."""

    is_shown: bool
    runs: list[ShownRun] = Field(description="The last changed first.")
    needs_token: bool = Field(description="Whether requests must carry a token.")


class Losses(BaseModel):
    """Training losses from batch `first` on, and the run's state."""

    first: int
    losses: list[float]
    state: State


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457). `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class UnreadableDetails(ProblemDetails):
    """What went wrong with an image. `reading` is there for the code unreadable-image."""

    reading: Reading | None = None


def _describe_status(status: int, schema: type[BaseModel] = ProblemDetails) -> dict[str, Any]:
    """A response of a problem, for OpenAPI."""
    kinds = [kind for kind in ALL_KINDS if kind.status == status]
    described: dict[str, Any] = {
        "description": "; ".join(f"{kind.code}: {kind.title}" for kind in kinds),
        "content": {
            CONTENT_TYPE: {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}},
        },
    }
    if status == 503:
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        described["headers"] = {"Retry-After": seconds}
    return described


COMMON_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: _describe_status(status) for status in (400, 401, 403, 408, 421, 422, 431, 500, 503)
}
NO_RUN: dict[int | str, dict[str, Any]] = {404: _describe_status(404)}
READ_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Reading,
        "description": "The reading, as `tenfold read --json` prints it but for the file's name",
    },
    **{status: _describe_status(status) for status in (413, 415)},
    422: {
        **_describe_status(422, UnreadableDetails),
    },
}
REPORT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}},
    **NO_RUN,
}
READ_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes of an image file; its content tells its format.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in IMAGE_TYPES
        },
    }
}


def complete_description(schema: dict[str, Any], cookie: str | None) -> dict[str, Any]:
    """Add to the OpenAPI description what the framework does not know.

    That is the content type of problems, and security schemes. `cookie` is the name of the page's
    session cookie, or None for a server without a token.
    """
    for model in (ProblemDetails, UnreadableDetails):
        described = model.model_json_schema(ref_template="#/components/schemas/{model}")
        described.pop("$defs", None)  # which it knows
        schema["components"]["schemas"][model.__name__] = described
    if cookie is None:
        return schema
    schema["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie},
    }
    schema["security"] = [{"token": []}, {"session": []}]
    for path, methods in schema["paths"].items():
        if path in OPEN_PATHS:
            for operation in methods.values():
                operation["security"] = []
    return schema
