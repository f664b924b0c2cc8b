"""HTTP as uvicorn speaks it, with limits that it has not.

A whole request, headers and body, must arrive within a deadline; headers may not be endless; and so
many connections are open at most. A connection that was just made when the server is stopped may
still send its request.

uvicorn's protocol class is no public interface: tests hold what is used of it.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tenfold.serving.problems import BAD_REQUEST, BUSY, HEADERS_TOO_LARGE, TIMEOUT, Kind, Problem

MAX_HEADER_BYTES = 64 * 1024
MAX_CONNECTIONS = 1000
GRACE_SECONDS = 1.0  # for the request of a connection that was made just before the end


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for receiving; `receive_seconds` is set by a subclass."""

    receive_seconds = 15.0
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _is_in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._start_deadline()
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(BUSY, f"expected at most {MAX_CONNECTIONS} connections, found more")

    def connection_lost(self, exc: Exception | None) -> None:
        """End waiting."""
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes of a request."""
        self._start_deadline()
        if not self._is_in_body:
            self._header_bytes += len(data)
        super().data_received(data)
        # What came with a request's last bytes is counted with the next one.
        if not self._is_in_body and self._header_bytes > MAX_HEADER_BYTES:
            detail = f"expected at most {MAX_HEADER_BYTES} bytes of headers, found more"
            self._refuse(HEADERS_TOO_LARGE, detail)

    def on_message_begin(self) -> None:
        """Begin a request, which may follow another one at once."""
        self._start_deadline()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Have all headers of a request."""
        self._is_in_body = True
        self._header_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Have all of a request: answering it may take as long as it takes."""
        self._is_in_body = False
        self._end_deadline()
        super().on_message_complete()

    def shutdown(self) -> None:
        """End an idle connection; one that was just made may still ask something."""
        if self.cycle is None:
            self.loop.call_later(GRACE_SECONDS, self._end_if_idle)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, as every problem is answered."""
        self._refuse(BAD_REQUEST, "expected an HTTP request, found something else")

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.receive_seconds, self._give_up)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        seconds = f"{self.receive_seconds:g} seconds"
        self._refuse(TIMEOUT, f"expected a whole request within {seconds}, found a part of one")

    def _refuse(self, kind: Kind, detail: str) -> None:
        """Answer with a problem, unless another answer is on its way, and end the connection."""
        if self.transport.is_closing():
            return
        is_answering = self.cycle is not None and (
            self.cycle.response_started and not self.cycle.response_complete
        )
        if not is_answering and not self.pipeline:
            self.transport.write(Problem(kind, detail).to_http())
            if self.cycle is not None:
                self.cycle.disconnected = True  # its application has nothing to answer any more
                self.cycle.message_event.set()
        self.transport.close()

    def _end_if_idle(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()
