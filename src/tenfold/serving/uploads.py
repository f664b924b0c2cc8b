"""What a request to read images carries: the images and the options."""

import base64
import binascii
import json
from collections.abc import Collection, Sized
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from tenfold.errors import ReadingError
from tenfold.reading.settings import DecimalSign, ReadingOptions, build_settings
from tenfold.serving.limits import CLOSES, MAX_BODY_BYTES, refuse_length
from tenfold.serving.problems import BAD_REQUEST, INVALID, TOO_LARGE, UNSUPPORTED, Problem

MAX_IMAGES = 16  # of a request; more are sent in several
OTHER_TYPES = ("application/pdf", "application/octet-stream")  # of files, besides images
FLAGS = {"": True, "true": True, "1": True, "false": False, "0": False}
MAX_TOP = 10
SHOWN = 40  # characters of a wrong value


@dataclass(frozen=True)
class Options:
    """What is asked about each image; see the OpenAPI description."""

    single: bool = False
    stages: bool = False
    boxes: bool = False
    signs: bool = True
    expect: str | None = None
    decimal: DecimalSign = "."
    top: int = 0

    @property
    def reading(self) -> ReadingOptions:
        """The options of the reader."""
        return {
            "single": self.single,
            "expect": self.expect,
            "signs": self.signs,
            "decimal": self.decimal,
        }


OPTIONS = tuple(Options.__dataclass_fields__)
TABLE_OPTIONS = ("single", "signs", "expect", "decimal")


@dataclass(frozen=True)
class Upload:
    """The images of a request, each with its file's name if the client gave one.

    The answer to several is a list.
    """

    images: list[tuple[str | None, bytes]]
    is_list: bool


def parse_options(request: Request, allowed: Collection[str] = OPTIONS) -> Options:
    """The options in a request's query. Raises Problem for one that is not allowed or invalid."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise Problem(
                INVALID, f"unknown parameter {name[:SHOWN]!r}; there are {', '.join(allowed)}"
            )
        if name in values:
            raise Problem(INVALID, f"{name} is given twice")
        values[name] = _parse_value(name, value)
    options = Options(**values)
    try:
        build_settings(expect=options.expect)
    except ReadingError as error:
        hint = (
            "" if options.expect else "; # ends an address, so write %23 for it, as in ?expect=%23"
        )
        raise Problem(INVALID, f"expect: {error}{hint}") from error
    return options


def _parse_value(name: str, value: str) -> object:
    shown = f"not {value[:SHOWN]!r}"
    if name == "expect":
        return value
    if name == "decimal":
        if value not in (".", ","):
            raise Problem(INVALID, f"decimal must be a point or a comma, {shown}")
        return value
    if name == "top":
        if not (value.isdecimal() and len(value) < 3 and int(value) <= MAX_TOP):
            raise Problem(INVALID, f"top must be from 0 to {MAX_TOP}, {shown}")
        return int(value)
    if value.lower() not in FLAGS:
        raise Problem(INVALID, f"{name} must be true or false, {shown}")
    return FLAGS[value.lower()]


async def receive_upload(request: Request) -> Upload:
    """Receive the images of a request. Raises Problem for a body without images."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    for name, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        if any(value.strip().lower() != plain for value in request.headers.getlist(name)):
            raise Problem(UNSUPPORTED, f"{name} must be {plain}", CLOSES)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        raise refuse_length()
    if kind == "multipart/form-data":
        upload = await _receive_form(request)
    elif kind == "application/json":
        upload = _parse_json(await request.body())
    elif kind.startswith("image/") or kind in OTHER_TYPES:
        upload = Upload([(None, await request.body())], is_list=False)
    else:
        given = f"Content-Type is {kind[:SHOWN]!r}" if kind else "the Content-Type is missing"
        raise Problem(
            UNSUPPORTED,
            f"{given}; it must be image/png, image/jpeg or another image type, "
            "application/pdf, application/octet-stream, multipart/form-data or application/json",
            CLOSES,
        )
    _check_number(upload.images)
    return upload


def _check_number(images: Sized) -> None:
    if len(images) > MAX_IMAGES:
        raise Problem(TOO_LARGE, f"a request has at most {MAX_IMAGES} images")


class _InMemoryParser(MultiPartParser):
    """Starlette's parser of forms, without files on the disk."""

    spool_max_size = MAX_BODY_BYTES


async def _receive_form(request: Request) -> Upload:
    number = MAX_IMAGES + 1
    parser = _InMemoryParser(request.headers, request.stream(), max_files=number, max_fields=number)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        _check_number(parser.items)  # of more than one too many, the parser complains itself
        raise Problem(BAD_REQUEST, f"multipart/form-data: {error.message}") from error
    images = []
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            raise Problem(
                BAD_REQUEST,
                f"multipart/form-data: {name[:SHOWN]!r} is not a file; options belong in "
                "the address, as in ?single",
            )
        images.append((value.filename or None, await value.read()))
    if not images:
        raise Problem(BAD_REQUEST, "multipart/form-data: there is no file")
    return Upload(images, is_list=len(images) > 1)


def _parse_json(body: bytes) -> Upload:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(BAD_REQUEST, "the body is not valid JSON") from error
    match content:
        case {"image": str(text), **rest} if not rest:
            return Upload([(None, _decode_text(text))], is_list=False)
        case {"images": [_, *_] as texts, **rest} if not rest:
            return Upload([(None, _decode_text(text)) for text in texts], is_list=True)
    raise Problem(
        BAD_REQUEST,
        'the JSON must be {"image": TEXT} or {"images": [TEXT, ...]}, each TEXT in base64 or a '
        "data URL",
    )


def _decode_text(text: Any) -> bytes:  # noqa: ANN401 - from JSON
    """The bytes of base64, which may be in lines, or of a data URL."""
    try:
        if text.startswith("data:"):
            head, _, text = text.partition(",")
            if not head.endswith(";base64"):
                raise ValueError
        return base64.b64decode("".join(text.split()), validate=True)
    except (AttributeError, ValueError, binascii.Error) as error:
        raise Problem(BAD_REQUEST, "an image is neither base64 nor a base64 data URL") from error
