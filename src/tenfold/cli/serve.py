"""`tenfold serve`."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tenfold.cli.options import DigitModel, LineModel, WholeNumber
from tenfold.cli.output import print_note
from tenfold.errors import MissingExtraError, describe_install


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options of a server, fields of its ServingConfig."""

    host: str = "127.0.0.1"
    """The address to listen on; by default 127.0.0.1. One that the network can reach needs
    --allow-host."""
    port: WholeNumber = 8000
    """The port to listen on; by default 8000. 0 takes a free one."""
    allow_hosts: Annotated[tuple[str, ...], Parameter(name="--allow-host", negative=())] = ()
    """A host name that clients may use, without a port; can be repeated."""
    runs: Path | None = None
    """A folder of runs and studies to list, with their reports."""
    model: DigitModel | None = None
    lines: LineModel | None = None
    queue: WholeNumber = 8
    """Maximum number of images that wait or are read; by default 8. Further requests get status
    503."""
    receive_seconds: float = 15.0
    """Seconds after which a request that has not arrived is given up; by default 15."""
    send_seconds: float = 15.0
    """Seconds after which a client that does not receive its answer is disconnected; by default
    15."""


DEFAULTS = ServeOptions()


def serve(*, options: ServeOptions = DEFAULTS, token_file: Path | None = None) -> None:
    """Serve a web page and an HTTP API for reading; by default for this machine only.

    Parameters
    ----------
    token_file
        A file with a token. Clients must send it as "Authorization: Bearer TOKEN".
    """
    try:
        from tenfold.serving.server import open_socket
        from tenfold.serving.server import serve as run_server
        from tenfold.serving.settings import ServingConfig, is_loopback, read_token
    except ImportError as error:
        raise MissingExtraError(
            f"the extra 'serve' is not installed ({error.name} missing): "
            f"{describe_install('serve')}"
        ) from error

    token = None if token_file is None else read_token(token_file)
    config = ServingConfig(token=token, **vars(options))
    with open_socket(config) as listening:
        config = dataclasses.replace(config, port=listening.getsockname()[1])
        if not is_loopback(config.host):
            who = "with the token" if token else "without a token"
            print_note(
                f"Anyone who can reach this machine on port {config.port} can use the server, "
                f"{who} and unencrypted, as {', '.join(config.allow_hosts)}."
            )
        where = f"Tenfold is at {config.address} (Ctrl-C stops it)"
        run_server(config, listening, lambda: print_note(where))
