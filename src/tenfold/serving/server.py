"""A server that listens, and stops in order.

On SIGTERM it takes no new connections, says to those that it has that it is not ready, ends each
with its next answer, or when it says nothing, finishes what it accepted, and is gone within ten
seconds.
"""

import asyncio
import errno
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from tenfold.errors import ServingError, describe_install
from tenfold.serving.app import App
from tenfold.serving.protocol import DeadlineProtocol, allow_connections
from tenfold.serving.settings import ServingConfig

DRAIN_SECONDS = 0.5
LAST_SECONDS = 1.0  # for telling those whose answers are not ready that there will be none
# Connections that the system keeps until they are accepted, and how many are accepted at once: all
# of these have a file before the first of them can be refused.
BACKLOG, NUM_ACCEPTED = 512, 32
# The first whose private parts are what is used of them here, and the first not tried.
FIRST_UVICORN, END_UVICORN = (0, 53), (0, 55)


class Server(uvicorn.Server):
    """uvicorn's, which first lets those go who are connected."""

    def __init__(
        self, config: uvicorn.Config, app: App, on_start: Callable[[], None] | None = None
    ) -> None:
        super().__init__(config)
        self.tenfold_app, self.on_start = app, on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so when requests are taken."""
        await super().startup(sockets)
        for listening in sockets or []:
            listening.listen(BACKLOG)  # uvicorn's own is how many are accepted at once
        if self.on_start is not None and not self.should_exit:
            self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: see the module's description."""
        self.tenfold_app.begin_to_stop()
        await self._stop_listening(sockets or [])
        await asyncio.sleep(DRAIN_SECONDS)
        # Before uvicorn ends what is left, which could say nothing then.
        asyncio.get_running_loop().call_later(
            max(0.0, self.tenfold_app.config.stop_seconds - LAST_SECONDS),
            self.tenfold_app.service.abandon,
        )
        await super().shutdown(sockets)
        # uvicorn sends itself the signals that it got; who stops in order has exit code 0.
        self._captured_signals = [one for one in self._captured_signals if one != signal.SIGTERM]

    async def _stop_listening(self, sockets: list[socket.socket]) -> None:
        """Take the connections that wait to be accepted, and no more: closing would reset them."""
        accepted = []
        for listening in sockets:
            try:
                while True:
                    accepted.append(listening.accept()[0])
            except OSError:  # nobody waits
                pass
        for server in self.servers:
            server.close()
        for connection in accepted:
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._build_protocol, connection
            )

    def _build_protocol(self) -> asyncio.Protocol:
        build: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = build(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def _check_uvicorn() -> None:
    """Raise ServingError with a uvicorn whose private parts may be others."""
    version = tuple(int(part) for part in uvicorn.__version__.split(".")[:2])
    if not FIRST_UVICORN <= version < END_UVICORN:
        first, end = (".".join(map(str, bound)) for bound in (FIRST_UVICORN, END_UVICORN))
        raise ServingError(
            f"uvicorn {uvicorn.__version__} is installed, but the server needs one from {first} "
            f"on and before {end}. Install it: {describe_install('serve')}"
        )


def open_socket(config: ServingConfig) -> socket.socket:
    """The socket to listen on. Raises ServingError if the address cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # Named, or asyncio does not see that it is TCP, and each answer waits 40 ms for an
    # acknowledgement that the other side delays.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
        listening.listen(BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot listen on {config.host}:{config.port}: {reason}"
        if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES):
            message += ". Another port may be free: --port 8001"
        raise ServingError(message) from error
    return listening


def build_server(config: ServingConfig, on_start: Callable[[], None] | None = None) -> Server:
    """A server that runs with `run(sockets=[open_socket(config)])` while its service is running.

    `on_start` is called when it takes requests. Raises ModelError for a model that cannot be used,
    and ServingError with a uvicorn that was not tried.
    """
    _check_uvicorn()
    app = App(config)

    class Protocol(DeadlineProtocol):
        receive_seconds, send_seconds = config.receive_seconds, config.send_seconds
        max_connections = allow_connections()
        count = staticmethod(lambda kind: app.metrics.responses.labels(str(kind.status)).inc())
        find_refusal = staticmethod(app.find_refusal)

    return Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=NUM_ACCEPTED,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(config.stop_seconds),
        ),
        app,
        on_start,
    )


def serve(
    config: ServingConfig, listening: socket.socket, on_start: Callable[[], None] | None = None
) -> None:
    """Serve until a signal ends it; `on_start` is called when requests are taken.

    Raises ModelError for a model that cannot be used, and ServingError where workers cannot be
    started.
    """
    server = build_server(config, on_start)
    with server.tenfold_app.service.running():
        server.run(sockets=[listening])
