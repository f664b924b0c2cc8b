"""Limits on requests with images: how many wait, and the time and bytes of their bodies."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenfold.serving.problems import BUSY, TIMEOUT, TOO_LARGE, Problem
from tenfold.serving.settings import MIB

READ_PATH, TABLE_PATH, FORM_PATHS = "/v1/read", "/v1/table", ("/v1/forms/", "/v1/propose-form")
MAX_BODY_BYTES = 16 * MIB
MAX_ALL_BODIES_BYTES = 128 * MIB  # of a worker, being received or read at any moment
LENDING_SECONDS = 0.05  # a body that takes longer waits without a place
CLOSES = {"connection": "close"}  # the rest of the body is not received


class Admission:
    """Middleware that lets at most `size` requests with images wait in this process.

    A request takes a place when its headers are there, as a refusal costs least then, until its
    answer begins. While its body is slow to arrive, others have the place, so slow senders and
    receivers do not block others. A body raises a Problem if it is too long or too slow.
    """

    def __init__(
        self, app: ASGIApp, size: int, seconds: float, max_bytes: int = MAX_ALL_BODIES_BYTES
    ) -> None:
        self.app, self.size, self.seconds, self.max_bytes = app, size, seconds, max_bytes
        self.num_waiting = self.num_bytes = 0
        self.refusal = refuse(size).to_response()  # made once, as under overload most answers are

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        is_reading = path in (READ_PATH, TABLE_PATH) or path.startswith(FORM_PATHS)
        if scope["method"] != "POST" or not is_reading:
            await self.app(scope, receive, send)
        elif self.num_waiting >= self.size:
            scope["state"]["code"] = BUSY.code
            await self.refusal(scope, receive, send)
        else:
            await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.seconds
        num_bytes = num_places = 0

        def hold(places: int, new_bytes: int) -> None:
            """Change what this request holds."""
            nonlocal num_bytes, num_places
            self.num_waiting += places - num_places
            self.num_bytes += new_bytes - num_bytes
            num_places, num_bytes = places, new_bytes

        async def receive_within_limits() -> Message:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                detail = f"the request was not complete after {self.seconds:g} seconds"
                raise Problem(TIMEOUT, detail, CLOSES) from None
            more_bytes = len(message.get("body", b""))
            if num_bytes + more_bytes > MAX_BODY_BYTES:
                raise refuse_length()
            if self.num_bytes + more_bytes > self.max_bytes:
                raise Problem(BUSY, "the images of other requests take all memory", CLOSES)
            if not message.get("more_body", False):
                lending.cancel()
                if not num_places and self.num_waiting >= self.size:
                    raise refuse(self.size)
                hold(1, num_bytes + more_bytes)
            else:
                hold(num_places, num_bytes + more_bytes)
            return message

        async def send_released(message: Message) -> None:
            hold(0, 0)  # a client that does not take its answer must not keep its place
            await send(message)

        hold(1, 0)
        lending = loop.call_later(LENDING_SECONDS, lambda: hold(0, num_bytes))
        try:
            await self.app(scope, receive_within_limits, send_released)
        finally:
            lending.cancel()
            hold(0, 0)


def refuse(num_waiting: int) -> Problem:
    """The problem of a request for which there is no place."""
    return Problem(BUSY, f"{num_waiting} requests are waiting; try again in a second")


def refuse_length() -> Problem:
    """The problem of a body that is too long."""
    return Problem(TOO_LARGE, f"the body has more than {MAX_BODY_BYTES // MIB} MiB", CLOSES)
