"""The server: Granian with worker processes that each read images.

The main process speaks no HTTP. It checks the configuration, starts the workers, replaces one that
ends, and stops them.
"""

import atexit
import ctypes
import errno
import gc
import logging
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from starlette.types import ASGIApp

from tenfold.errors import ServingError, TenfoldError
from tenfold.reading.line_reader import BUNDLED_LINES
from tenfold.reading.reader import Reader
from tenfold.serving.app import build_app
from tenfold.serving.forms import load_forms
from tenfold.serving.logs import describe_logging
from tenfold.serving.metrics import FOLDER_VARIABLE, note_start
from tenfold.serving.settings import ServingConfig
from tenfold.system.machine import count_cores

MAX_HEADER_BYTES = 64 * 1024
MAX_CONNECTIONS = 900  # of a worker, which usually may have 1024 files open
MAX_WORKER_MIB = 1024  # one that has more is replaced
LEAVING_SECONDS = 0.5  # for clients to get an answer that ends their connection
STOP_SECONDS = 8  # Docker waits for ten

logger = logging.getLogger(__name__)


def load_app(config: ServingConfig, ready: Event, stopping: ctypes.c_bool) -> ASGIApp:
    """Build the application in a worker process, and set `ready` when it can read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until Granian has its own way to stop
    # Granian's threads panic while the interpreter shuts down.
    atexit.register(os._exit, 0)
    threading.Thread(target=end_with_main_process, daemon=True).start()
    cv2.setNumThreads(1)
    logging.captureWarnings(True)
    try:
        reader = load_reader(config)
        forms = None if config.forms is None else load_forms(config.forms, reader)
    except Exception:
        logger.exception("the worker cannot start")
        sys.exit(1)
    page_HW = np.full((40, 60), 255, np.uint8)
    page_HW[10:30, 15:18] = page_HW[10:30, 40:43] = 0
    for single in (False, True):  # the first time is slow
        reader.read(page_HW, single=single)
    app = build_app(config, reader, stopping, forms)
    note_start()
    gc.collect()
    gc.freeze()  # modules and networks stay, so the garbage collector need not scan them
    ready.set()
    return app


def end_with_main_process() -> None:
    """Stop this worker when the main process was killed and could not do it."""
    main = multiprocessing.parent_process()
    assert main is not None
    main.join()
    os.kill(os.getpid(), signal.SIGTERM)


def load_reader(config: ServingConfig) -> Reader:
    """Load the networks. Raises ModelError for a file that cannot be used."""
    return Reader(config.model, lines=config.lines or BUNDLED_LINES)


def check_files(config: ServingConfig) -> None:
    """Load what workers will. Raises ModelError or ServingError for a file that cannot be used."""
    reader = load_reader(config)
    if config.forms is not None:
        load_forms(config.forms, reader)
    if config.tls_cert is None or config.tls_key is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(config.tls_cert, config.tls_key, password="")  # ask for none
    except OSError as error:  # ssl's errors are of this kind
        reason = error.strerror or str(error)
        raise ServingError(f"--tls-cert, --tls-key: cannot be used: {reason}") from error


class TenfoldServer(MPServer):
    """Granian, which lets connections end before it stops, and checks files before it reloads."""

    def __init__(self, config: ServingConfig, address: str) -> None:
        super().__init__(
            "tenfold",  # only a name: the application comes from its loader
            address=address,
            port=config.port,
            uds=config.uds,
            interface=Interfaces.ASGINL,
            workers=config.workers or count_cores(),
            loop=Loops.asyncio,
            http=HTTPModes.http1,
            websockets=False,
            backpressure=MAX_CONNECTIONS,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(1000 * config.receive_seconds),
                max_buffer_size=MAX_HEADER_BYTES,
            ),
            log_level=LogLevels.info,
            log_dictconfig=describe_logging(config.log_format),
            ssl_cert=config.tls_cert,
            ssl_key=config.tls_key,
            url_path_prefix=config.root_path or None,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_SECONDS,
            workers_max_rss=MAX_WORKER_MIB,
        )
        self.config, self.interrupted = config, False
        # Shared without a lock, which a killed worker might take along.
        self.stopping = multiprocessing.RawValue(ctypes.c_bool, False)

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Granian's
        """Stop. A request that crosses with the end of its idle connection would be lost."""
        self.interrupted |= args[0] == signal.SIGINT
        if not self.interrupted:
            self.stopping.value = True
            time.sleep(LEAVING_SECONDS)
        super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]

    def signal_handler_reload(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Granian's
        """Replace the workers, unless new ones could not start."""
        try:
            check_files(self.config)
        except TenfoldError as error:
            logger.error("the workers are kept: %s", error)
        else:
            super().signal_handler_reload(*args, **kwargs)  # type: ignore[no-untyped-call]


def reserve_port(config: ServingConfig) -> socket.socket:
    """A bound socket that keeps the port for the workers, which listen on it with SO_REUSEPORT.

    Raises ServingError if the address cannot be had, also if another server listens there in the
    same way.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    port = config.port
    try:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((config.host, port))
            port = alone.getsockname()[1]
        shared = socket.socket(family, socket.SOCK_STREAM)
        if hasattr(socket, "SO_REUSEPORT"):
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind((config.host, port))
        return shared
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot listen on {config.host}:{port}: {reason}"
        if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES):
            message += ". Another port may be free: --port 8001"
        raise ServingError(message) from error


def reserve_socket(path: Path) -> None:
    """Make sure that a socket can be made, in place of one whose server was killed.

    Raises ServingError if another server listens there, or if there is a file that is no socket.
    """
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            if path.is_socket() and probe.connect_ex(str(path)) == errno.ECONNREFUSED:
                path.unlink()
            probe.bind(str(path))
        path.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "another server listens on it" if path.is_socket() else "it is not a socket"
        raise ServingError(f"--uds {path}: {reason}") from error


def serve(config: ServingConfig, say_where: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `say_where` gets the address when requests are answered.

    Raises ServingError or ModelError for what cannot be used, and KeyboardInterrupt after Ctrl-C.
    """
    check_files(config)
    # A fork of a process with threads may hang.
    multiprocessing.set_start_method("spawn", force=True)
    ready = multiprocessing.Event()
    with tempfile.TemporaryDirectory(prefix="tenfold-") as metrics, ExitStack() as stack:
        os.environ[FOLDER_VARIABLE] = metrics
        stack.callback(os.environ.pop, FOLDER_VARIABLE)
        address = ""
        if config.uds is not None:
            reserve_socket(config.uds)
        else:
            listening = stack.enter_context(reserve_port(config))
            address, port = listening.getsockname()[:2]
            config = replace(config, port=port)

        def wait_until_ready() -> None:
            ready.wait()
            say_where(config.address)

        server = TenfoldServer(config, address)
        server.on_startup(threading.Thread(target=wait_until_ready, daemon=True).start)
        load = partial(load_app, config, ready, server.stopping)
        try:
            server.serve(target_loader=load, wrap_loader=False)
        finally:
            if server.interrupted:
                raise KeyboardInterrupt
