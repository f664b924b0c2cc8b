"""`tenfold serve`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tenfold.cli.options import DigitModel, LineModel, WholeNumber
from tenfold.cli.output import print_note
from tenfold.errors import MissingExtraError, describe_install

ALLOW_HOST = Parameter(name="--allow-host", negative=(), consume_multiple=True)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options of a server, fields of its ServingConfig."""

    host: str = "127.0.0.1"
    """The address to listen on; by default 127.0.0.1. One that the network can reach needs
    --allow-host."""
    port: WholeNumber = 8000
    """The port to listen on; by default 8000. 0 takes a free one."""
    uds: Path | None = None
    """A Unix domain socket to listen on instead, for a proxy on the same machine."""
    root_path: str = ""
    """The path below which a proxy shows the server, such as /digits."""
    allow_hosts: Annotated[tuple[str, ...], ALLOW_HOST] = ()
    """Host names that clients may use, without a port."""
    tls_cert: Path | None = None
    """A file with the certificate, for HTTPS; needs --tls-key."""
    tls_key: Path | None = None
    """A file with the certificate's private key."""
    model: DigitModel | None = None
    lines: LineModel | None = None
    forms: Path | None = None
    """A folder of forms, NAME.toml, whose sheets are read at /v1/forms/NAME."""
    workers: WholeNumber | None = None
    """Number of worker processes; by default one per core."""
    queue: WholeNumber = 8
    """Maximum number of requests that wait or are read in each worker; by default 8. Further
    requests get status 503."""
    receive_seconds: float = 15.0
    """Seconds after which a request that has not arrived is given up; by default 15."""
    log_format: Literal["text", "json"] = "text"
    """How a request is logged to stderr: a line of text, or a JSON object."""


DEFAULTS = ServeOptions()


def serve(*, options: ServeOptions = DEFAULTS, token_file: Path | None = None) -> None:
    """Serve a web page and an HTTP API for reading; by default for this machine only.

    Parameters
    ----------
    token_file
        A file with a token. Clients must send it as "Authorization: Bearer TOKEN", or as the
        password that a browser asks for.
    """
    try:
        from tenfold.serving.server import serve as run_server
        from tenfold.serving.settings import ServingConfig, read_token
    except ImportError as error:
        raise MissingExtraError(
            f"the extra 'serve' is not installed ({error.name} missing): "
            f"{describe_install('serve')}"
        ) from error

    token = None if token_file is None else read_token(token_file)
    config = ServingConfig(token=token, **vars(options))

    def print_address(address: str) -> None:
        print_note(f"Tenfold is at {address} (Ctrl-C stops it)")
        if config.is_open:
            who = "with the token" if token else "without a token"
            how = "encrypted" if config.tls_cert else "unencrypted"
            print_note(
                f"Anyone who can reach this machine can use the server, {who} and {how}, as "
                f"{', '.join(config.allow_hosts)}."
            )

    run_server(config, print_address)
