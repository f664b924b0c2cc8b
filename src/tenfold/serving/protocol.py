"""HTTP as uvicorn speaks it, with limits that it has not.

A whole request, headers and body, must arrive within a deadline; headers may not be endless; a
client must take what it is sent; and so many connections are open at most. What the application
would refuse whatever else it is told is refused here, where that costs least. A connection that was
just made when the server is stopped may still send its request.

uvicorn's protocol class is no public interface: tests hold what is used of it.
"""

import asyncio
import sys

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tenfold.serving.problems import BAD_REQUEST, BUSY, HEADERS_TOO_LARGE, TIMEOUT, Kind, Problem

MAX_HEADER_BYTES = 64 * 1024
MAX_CONNECTIONS = 1000
OTHER_FILES = 128  # that the process may have open beside connections
GRACE_SECONDS = 1.0  # for the request of a connection that was made just before the end


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines for receiving and for taking what is sent.

    A subclass sets the limits; `count`, which is called with each problem answered here; and
    `find_refusal`, which is asked about a request when its headers are there.
    """

    receive_seconds = 15.0
    send_seconds = 15.0
    max_connections = MAX_CONNECTIONS
    _deadline: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None
    _unsent = 0
    # Of what is no body: what the parser holds back until it is whole, and what it has given.
    _pending_bytes = _header_bytes = 0
    _is_in_body = _is_refused = _is_turned_away = False

    @staticmethod
    def count(kind: Kind) -> None:
        """Told of each problem that no application knows of."""

    @staticmethod
    def find_refusal(method: bytes, path: bytes) -> Problem | None:
        """Why a request is not taken on, however it goes on; None if it is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._start_deadline()
        if len(self.connections) > self.max_connections:
            self._refuse(BUSY, f"more than {self.max_connections} connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """End waiting."""
        self._end_deadline()
        if self._sending is not None:
            self._sending.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes of a request."""
        self._start_deadline()
        self._pending_bytes += len(data)
        super().data_received(data)
        # Headers, or what follows a body in chunks: the parser keeps all of it until it is whole.
        if self._pending_bytes > MAX_HEADER_BYTES:
            self._refuse_headers()

    def on_message_begin(self) -> None:
        """Begin a request, which may follow another one at once."""
        self._start_deadline()
        self._header_bytes = 0
        self._is_turned_away = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Have a part of the address."""
        self._header_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Have a header; one that follows the body, which nobody asked for, is forgotten."""
        self._header_bytes += len(name) + len(value) + len(b": \r\n")
        if not self._is_in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have all headers of a request."""
        self._pending_bytes = 0
        self._is_in_body = True
        # They may have come at once, before what waits was counted.
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse_headers()
        if not self._is_refused and not self._turn_away():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Have a part of the body, whose bytes the application counts."""
        self._pending_bytes = 0
        if not self._is_refused and not self._is_turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Have all of a request: answering it may take as long as it takes."""
        self._pending_bytes = 0
        self._is_in_body = False
        self._end_deadline()
        if self._is_refused:
            return
        if self._is_turned_away:
            self._is_turned_away = False
            self.on_response_complete()
            return
        super().on_message_complete()
        if self.cycle.response_complete and not self.pipeline and not self.transport.is_closing():
            # Answered before the body was there, which ended the wait for a next request.
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Have given all of an answer to the transport, which may not be rid of it yet."""
        super().on_response_complete()
        if self.flow.write_paused or self.pipeline:
            self.flow.pause_reading()  # uvicorn reads on, whatever is not taken or answered yet
        self._watch_sending()

    def pause_writing(self) -> None:
        """Have given the transport more than the client has taken."""
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        """The client has taken nearly all."""
        self._unsent = sys.maxsize
        super().resume_writing()
        if not self.pipeline and (self.cycle is None or self.cycle.response_complete):
            self.flow.resume_reading()

    def shutdown(self) -> None:
        """End an idle connection; one that was just made may still ask something."""
        if self.cycle is None:
            self.loop.call_later(GRACE_SECONDS, self._end_if_idle)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, as every problem is answered."""
        self._refuse(BAD_REQUEST, "not an HTTP request")

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
        self._refuse(TIMEOUT, f"the request was not complete after {seconds}")

    def _refuse(self, kind: Kind, detail: str) -> None:
        """Answer with a problem, unless another answer is on its way, and end the connection."""
        if self.transport.is_closing():
            return
        is_answering = self._is_turned_away or (
            self.cycle is not None
            and (self.cycle.response_started and not self.cycle.response_complete)
        )
        self._is_refused = True
        if not is_answering and not self.pipeline:
            self.count(kind)
            self.transport.write(Problem(kind, detail).to_http())
            if self.cycle is not None:
                self.cycle.disconnected = True  # its application has nothing to answer any more
                self.cycle.message_event.set()
        self.transport.close()
        self._watch_sending()

    def _turn_away(self) -> bool:
        """Answer at once, without the application, if a request is not taken on.

        Where far too many come, most are turned away, and what that costs is missing elsewhere.
        Only where the connection can go on after the body, which is passed over.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # another answer comes first
        if self.expect_100_continue or not self.parser.should_keep_alive():
            return False
        if self.parser.get_http_version() != "1.1":
            return False
        problem = self.find_refusal(self.parser.get_method(), self.url)
        if problem is None:
            return False
        self._is_turned_away = True
        self.count(problem.kind)
        self.transport.write(problem.to_http(ends=False))
        self._watch_sending()
        return True

    def _refuse_headers(self) -> None:
        detail = f"the headers have more than {MAX_HEADER_BYTES} bytes"
        self._refuse(HEADERS_TOO_LARGE, detail)

    def _watch_sending(self) -> None:
        """See to it that the client takes what it is sent."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._sending is None:
            self._unsent = unsent
            self._sending = self.loop.call_later(self.send_seconds, self._check_sending)

    def _check_sending(self) -> None:
        self._sending = None
        if self.transport.get_write_buffer_size() >= self._unsent:
            self.transport.abort()  # closing would wait for the client
        else:
            self._watch_sending()

    def _end_if_idle(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def allow_connections() -> int:
    """Let this process have as many files open as it may need; how many connections it may have.

    A connection too many is told so: where the system has none left, nobody could be told.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_CONNECTIONS
    needed = MAX_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, soft - OTHER_FILES))
