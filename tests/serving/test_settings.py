"""What `tenfold serve` refuses, in one line each."""

import os
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tenfold.cli import main
from tenfold.errors import ServingError
from tenfold.serving.server import reserve_port, reserve_socket
from tenfold.serving.settings import ServingConfig, read_token

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: others on the network could use this server"),
        (["--port", "70000"], "--port must be from 0 to 65535, not 70000"),
        (["--allow-host", "a:80"], "--allow-host must be a name or address without a port"),
        (["--workers", "0"], "--workers must be from 1 to 1000, not 0"),
        (["--root-path", "digits/"], "--root-path must start with a slash"),
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key are needed together"),
        (["--tls-cert", "no.pem", "--tls-key", "no.pem"], "--tls-cert, --tls-key: cannot be used"),
        (["--uds", "/nowhere/socket"], "--uds /nowhere/socket: No such file"),
        (["--model", "nowhere.onnx"], "nowhere.onnx: cannot read the model: No such file"),
        (["--token-file", "nowhere"], "--token-file nowhere: cannot be read: No such"),
        (["--host", "192.0.2.1", "--allow-host", "a"], "cannot listen on 192.0.2.1"),
        (["--queue", "0"], "--queue must be from 1 to 1000, not 0"),
        (["--receive-seconds", "0"], "--receive-seconds must be from 0.1 to 3600, not 0"),
        (["--allow-host", "a", "b:80"], "a port, such as digits.example.org, not ['b:80']"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    assert main(["serve", *arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "values",
    [
        *({"receive_seconds": seconds} for seconds in (float("inf"), float("nan"), 1e30, 1e-9)),
        *({"workers": 100_000}, {"queue": 10**9}, {"port": -1}),
    ],
)
def test_numbers_that_no_server_can_work_with_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ServingError, match=r"--[a-z-]+ must be from [\d.]+ to \d+, not "):
        ServingConfig(**values)


def test_only_the_socket_of_a_server_that_was_killed_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(ServingError, match=r"--uds .*socket: another server listens on it"):
            reserve_socket(path)
    reserve_socket(path)
    assert not path.exists()
    path.write_text("notes")
    (tmp_path / "link").symlink_to(path)
    for other in (path, tmp_path / "link", tmp_path, tmp_path / ("a" * 120), Path("/proc/socket")):
        with pytest.raises(ServingError, match=f"^--uds {other}: "):
            reserve_socket(other)
    assert path.read_text() == "notes"


@pytest.mark.parametrize("text", ["", "short", "two words of a token", "ümlautümlautümlaut"])
def test_an_invalid_token_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(
        ServingError, match=r"--token-file .*: (the token must have|cannot be read)"
    ):
        read_token(tmp_path / "token")


def test_allowed_hosts_are_known_besides_the_local_ones() -> None:
    config = ServingConfig(host="0.0.0.0", allow_hosts=("Digits.Example.org",))
    assert config.known_hosts == {"localhost", "127.0.0.1", "[::1]", "digits.example.org"}
    assert config.address == "http://127.0.0.1:8000"
    config = replace(config, root_path="/digits", tls_cert=Path("a"), tls_key=Path("b"))
    assert config.address == "https://127.0.0.1:8000/digits/"


@pytest.mark.parametrize(
    ("host", "address", "own"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", "127.0.0.1"),
        ("127.0.0.2", "http://127.0.0.2:8000", "127.0.0.2"),
        ("192.0.2.2", "http://192.0.2.2:8000", "192.0.2.2"),
        ("::1", "http://[::1]:8000", "[::1]"),
        ("2001:DB8:0::2", "http://[2001:db8::2]:8000", "[2001:db8::2]"),
        ("::", "http://[::1]:8000", "[::1]"),
        ("localhost", "http://localhost:8000", "localhost"),
    ],
)
def test_the_printed_address_is_a_known_host(host: str, address: str, own: str) -> None:
    config = ServingConfig(host=host, allow_hosts=("digits.example.org",))
    assert config.address == address
    assert own in config.known_hosts
    assert not config.known_hosts & {"0.0.0.0", "[::]", ""}


def test_another_port_is_suggested_only_if_the_port_is_in_use(capsys: Capture) -> None:
    with reserve_port(ServingConfig(port=0)) as listening:  # as another server has it
        port = str(listening.getsockname()[1])
        assert main(["serve", "--port", port]) == 2
    assert "Another port may be free" in capsys.readouterr().err
    assert main(["serve", "--host", "no-such-host.invalid", "--allow-host", "a"]) == 2
    assert "port" not in capsys.readouterr().err


def test_a_token_file_may_be_a_pipe_but_not_endless_or_a_folder(tmp_path: Path) -> None:
    for path in ("/dev/zero", str(tmp_path)):
        with pytest.raises(
            ServingError, match=r"--token-file .*: (the token must have|cannot be read)"
        ):
            read_token(Path(path))
    (tmp_path / "long").write_text(5000 * "t")
    with pytest.raises(ServingError, match="the token must have 16 to 4096 letters"):
        read_token(tmp_path / "long")
    os.mkfifo(tmp_path / "pipe")  # like <(pass show token) in a shell
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(20 * "t" + "\n",))
    writer.start()
    assert read_token(tmp_path / "pipe") == 20 * "t"
    writer.join()
