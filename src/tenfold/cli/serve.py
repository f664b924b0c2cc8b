"""`tenfold serve`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tenfold.cli.output import print_note
from tenfold.errors import MissingExtraError


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_host: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    token_file: Path | None = None,
    runs: Path | None = None,
    model: Path | None = None,
    lines: Path | None = None,
    queue: int = 8,
    receive_seconds: float = 15.0,
    send_seconds: float = 15.0,
) -> int:
    """Serve a page to draw on and an HTTP API, for this machine only unless asked otherwise.

    Parameters
    ----------
    host
        The address to listen on. With another than the default, others on the network can use the
        server, and --allow-host must say by which names.
    port
        The port to listen on; 0 for any that is free.
    allow_host
        A name by which clients may call the server, without a port; may be given several times.
    token_file
        A file with a token that whoever reads images, asks for metrics or sees runs must send as
        "Authorization: Bearer TOKEN".
    runs
        A folder of runs and studies to list, with their reports.
    model
        A model that `tenfold export` wrote, instead of the one that Tenfold brings along.
    lines
        A model of lines, of the recipe `lines`, instead of the one that Tenfold brings along.
    queue
        How many images may wait or be read; whoever comes then is asked to come back later.
    receive_seconds
        How long a whole request, headers and image, may take to arrive.
    send_seconds
        How long a client may take nothing of its answer before it is left.
    """
    try:
        from tenfold.serving.server import open_socket
        from tenfold.serving.server import serve as run_server
        from tenfold.serving.settings import ServingConfig, is_loopback, read_token
    except ImportError as error:
        raise MissingExtraError(
            f"expected the extra 'serve', found {error.name} missing. "
            "Install it: pip install '.[serve]'"
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
                f"Everybody who reaches this machine on port {config.port} can use it, {who}, "
                f"unencrypted, as {', '.join(allow_host)}."
            )

        def say_where() -> None:
            print_note(f"Tenfold is at {config.address} (Ctrl-C ends it)")

        run_server(config, listening, say_where)
    return 0
