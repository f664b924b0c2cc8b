"""A server that listens, and stops in order.

On SIGTERM it says that it is not ready, ends connections with their next answer, takes no new ones
after half a second, finishes what it accepted, and is gone within ten seconds.
"""

import asyncio
import socket
import sys

import uvicorn

from tenfold.errors import ServingError
from tenfold.serving.app import App
from tenfold.serving.protocol import DeadlineProtocol
from tenfold.serving.settings import ServingConfig

DRAIN_SECONDS = 0.5
BACKLOG = 512
# The interpreter's default of 5 ms is longer than reading an image takes.
SWITCH_SECONDS = 0.001


class Server(uvicorn.Server):
    """uvicorn's, which first lets those go who are connected."""

    def __init__(self, config: uvicorn.Config, app: App) -> None:
        super().__init__(config)
        self.tenfold_app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: see the module's description."""
        self.tenfold_app.begin_to_stop()
        await asyncio.sleep(DRAIN_SECONDS)
        await super().shutdown(sockets)


def open_socket(config: ServingConfig) -> socket.socket:
    """The socket to listen on. Raises ServingError if the address cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((config.host, config.port))
        listening.listen(BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ServingError(
            f"{config.host}:{config.port}: expected an address to listen on, found: {reason}. "
            "Another port may be free: --port 8001"
        ) from error
    return listening


def build_server(config: ServingConfig) -> Server:
    """A server that runs with `run(sockets=[open_socket(config)])`."""

    class Protocol(DeadlineProtocol):
        receive_seconds = config.receive_seconds

    app = App(config)
    return Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(config.stop_seconds),
        ),
        app,
    )


def serve(config: ServingConfig, listening: socket.socket) -> None:
    """Serve until a signal ends it."""
    sys.setswitchinterval(SWITCH_SECONDS)
    build_server(config).run(sockets=[listening])
