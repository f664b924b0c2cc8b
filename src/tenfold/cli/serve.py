"""`tenfold serve`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tenfold.cli.output import WholeNumber, print_note
from tenfold.errors import MissingExtraError, describe_install


def serve(
    *,
    host: str = "127.0.0.1",
    port: WholeNumber = 8000,
    allow_host: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    token_file: Path | None = None,
    runs: Path | None = None,
    model: Path | None = None,
    lines: Path | None = None,
    queue: WholeNumber = 8,
    receive_seconds: float = 15.0,
    send_seconds: float = 15.0,
) -> int:
    """Serve a web page and an HTTP API for reading; by default for this machine only.

    Parameters
    ----------
    host
        The address to listen on; by default 127.0.0.1. One that the network can reach needs
        --allow-host.
    port
        The port to listen on; by default 8000. 0 takes a free one.
    allow_host
        A host name that clients may use, without a port; can be repeated.
    token_file
        A file with a token. Clients must send it as "Authorization: Bearer TOKEN".
    runs
        A folder of runs and studies to list, with their reports.
    model
        A digit model that `tenfold export` wrote; by default the bundled one.
    lines
        A model exported from a run of the recipe `lines`; by default the bundled one.
    queue
        Maximum number of images that wait or are read; by default 8. Further requests get status
        503.
    receive_seconds
        Seconds after which a request that has not arrived is given up; by default 15.
    send_seconds
        Seconds after which a client that does not receive its answer is disconnected; by default
        15.
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

    import dataclasses

    config = ServingConfig(
        host=host,
        port=port,
        allow_hosts=allow_host,
        token=None if token_file is None else read_token(token_file),
        runs=runs,
        model=model,
        lines=lines,
        queue=queue,
        receive_seconds=receive_seconds,
        send_seconds=send_seconds,
    )
    with open_socket(config) as listening:
        config = dataclasses.replace(config, port=listening.getsockname()[1])
        if not is_loopback(host):
            who = "with the token" if config.token else "without a token"
            print_note(
                f"Anyone who can reach this machine on port {config.port} can use the server, "
                f"{who} and unencrypted, as {', '.join(allow_host)}."
            )

        def say_where() -> None:
            print_note(f"Tenfold is at {config.address} (Ctrl-C stops it)")

        run_server(config, listening, say_where)
    return 0
