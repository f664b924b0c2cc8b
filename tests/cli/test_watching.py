"""`tenfold read --watch`: each file of a folder is read once, whatever happens to it meanwhile."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cli.conftest import Fail
from cli.test_read_command import NO_IMAGE, read_lines
from processes import wait_until
from tenfold.cli import main, watching
from tenfold.data.mnist import LabelledImages

PROGRAM = """
import sys
from tenfold.cli import main, watching
watching.INTERVAL_SECONDS, watching.SETTLED_SECONDS = 0.05, 0.1
sys.exit(main(sys.argv[1:]))
"""


class Clock:
    """Time that passes only while the command sleeps, a second at a time, and what happens then."""

    def __init__(self) -> None:
        self.seconds = 0
        self.events: dict[int, list[Callable[[], object]]] = {}

    def monotonic(self) -> float:
        return float(self.seconds)

    def sleep(self, _: float) -> None:
        self.seconds += 1
        for event in self.events.pop(self.seconds, []):
            event()

    def at(self, seconds: int, *events: Callable[[], object]) -> None:
        self.events.setdefault(seconds, []).extend(events)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    return clock


Watch = Callable[..., tuple[list[tuple[str, str]], list[str]]]


@pytest.fixture
def watch(folder: Path, clock: Clock, capsys: pytest.CaptureFixture[str]) -> Watch:
    """Watch scans/ for some seconds; the names and texts that were read, and the notes."""

    def call(seconds: int, *arguments: str) -> tuple[list[tuple[str, str]], list[str]]:
        clock.at(clock.seconds + seconds, interrupt)
        assert main(["read", "scans", "--watch", "--json", "--out", "out", *arguments]) == 130
        first, *notes, last = capsys.readouterr().err.splitlines()
        if first.startswith("skipping"):
            first = notes.pop(0)
        assert first == "watching scans; Ctrl-C ends"
        assert last == "tenfold: interrupted"
        lines = read_lines(Path("out").read_text())
        return [(line["file"], line["text"]) for line in lines], notes

    return call


def test_files_are_read_as_they_come_and_once_for_each_name(watch: Watch, clock: Clock) -> None:
    old = [("scans/a.png", "7"), ("scans/more/a.png", "2"), ("scans/z.png", "")]
    seven, two = Path("scans/a.png"), Path("scans/more/a.png")
    clock.at(4, lambda: shutil.copy(seven, "new.png"), lambda: Path("scans/0").mkdir())
    clock.at(5, lambda: Path("new.png").rename("scans/0/new.png"))
    clock.at(6, lambda: shutil.copy(two, "scans/b.crdownload"))
    clock.at(10, lambda: Path("scans/b.crdownload").rename("scans/b.png"))
    clock.at(11, lambda: shutil.copy(two, "new.png"), lambda: Path("new.png").replace(seven))
    found, notes = watch(16)
    assert found == [*old, ("scans/0/new.png", "7"), ("scans/b.png", "2")]
    assert notes == []
    assert watch(8) == (found, [])  # started again


def test_a_file_that_is_still_written_is_awaited(watch: Watch, clock: Clock) -> None:
    data = Path("scans/a.png").read_bytes()
    path = Path("scans/b.png")
    for second in range(1, 5):  # slowly, but never the same for two seconds
        clock.at(second, lambda second=second: path.write_bytes(data[: 20 * second]))  # type: ignore[misc]
    # Then it stops for a while, as the network does.
    clock.at(20, lambda: path.write_bytes(data))
    found, notes = watch(25)
    assert found[3:] == [("scans/b.png", "7")]
    [note] = notes
    assert note.startswith("scans/b.png: cannot decode the image: ")
    assert note.endswith(
        "; it may be incomplete, so it is read once it has not changed for 60 seconds"
    )


def test_a_file_that_stays_damaged_is_an_error_after_a_minute(watch: Watch, clock: Clock) -> None:
    clock.at(1, lambda: shutil.copy("notes.txt", "scans/b.png"))
    found, [note] = watch(59)
    assert len(found) == 3
    assert NO_IMAGE in note
    found, [note] = watch(65)
    assert found[3:] == [("scans/b.png", "")]
    assert read_lines(Path("out").read_text())[3]["message"] == NO_IMAGE


def test_a_file_that_is_deleted_or_changes_before_it_is_read_is_a_note(
    watch: Watch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    b, c, d = (Path(f"scans/{name}.png") for name in "bcd")
    clock.at(1, lambda: shutil.copy("scans/a.png", b))
    clock.at(2, b.unlink)
    clock.at(10, lambda: shutil.copy("scans/a.png", c), lambda: shutil.copy("scans/a.png", d))
    find_damage = watching._find_damage

    def disturb(found: Path) -> str | None:
        """Do what others may do between the check and the reading."""
        damage = find_damage(found)
        if found == c and clock.seconds < 15:
            c.unlink()
        if found == d and clock.seconds < 15:
            shutil.copy("scans/more/a.png", d)
        return damage

    monkeypatch.setattr(watching, "_find_damage", disturb)
    clock.at(20, lambda: shutil.copy("scans/a.png", c))  # it is read if it comes again
    found, notes = watch(30)
    assert found[3:] == [("scans/d.png", "2"), ("scans/c.png", "7")]
    assert notes == [
        "scans/b.png: was deleted before it was read",
        "scans/c.png: was deleted before it was read",
        "scans/d.png: was changed while it was read",
    ]


def test_a_folder_that_is_away_for_a_while_is_still_watched(watch: Watch, clock: Clock) -> None:
    clock.at(5, lambda: Path("scans").rename("away"))
    clock.at(9, lambda: shutil.copy("away/a.png", "away/b.png"))
    clock.at(10, lambda: Path("away").rename("scans"))
    found, [note] = watch(16)
    assert found[3:] == [("scans/b.png", "7")]
    assert note == "scans: cannot be listed: No such file or directory; still watching"


def test_a_pdf_or_tiff_is_read_when_its_last_page_is_there(watch: Watch, clock: Clock) -> None:
    pytest.importorskip("pypdfium2")
    files = {}
    for name in ("b.pdf", "c.tif"):
        with Image.open("scans/a.png") as first, Image.open("scans/more/a.png") as second:
            file = io.BytesIO()
            kind = {"b.pdf": "PDF", "c.tif": "TIFF"}[name]
            first.convert("RGB").save(
                file, kind, save_all=True, append_images=[second.convert("RGB")]
            )
        files[name] = file.getvalue()
        Path("scans", name).write_bytes(files[name][:-300])
    clock.at(
        10, *(lambda name=name: Path("scans", name).write_bytes(files[name]) for name in files)
    )
    found, notes = watch(15)
    assert [one for one in found if one[0][-3:] != "png"] == [
        *[("scans/b.pdf", "7"), ("scans/b.pdf", "2")],
        *[("scans/c.tif", "7"), ("scans/c.tif", "2")],
    ]
    assert notes[0].startswith("scans/b.pdf: the end of the PDF is missing; it may be incomplete")


def test_watching_needs_folders(fail: Fail, folder: Path) -> None:
    for argument in ("lines.png", "none", "-"):
        assert fail(f"read scans {argument} --watch") == (
            f"{argument}: --watch needs folders that exist"
        )
    assert "--watch cannot be combined with --on ray" in fail("read scans out --watch --on ray")


def count_lines() -> int:
    out = Path("out")
    return out.read_text().count("\n") if out.exists() else 0


def wait_for_lines(num: int) -> None:
    wait_until(lambda: count_lines() >= num)


def test_killed_and_started_again_nothing_is_read_twice_or_left_out(
    here: Path, test_images: LabelledImages
) -> None:
    """Files come in all the while, also while no command watches."""
    Path("scans").mkdir()
    images = [Image.fromarray(image_HW) for image_HW in test_images.images_NHW[:26]]
    names = [f"scans/{number}.png" for number in range(26)]
    coming = iter(zip(names, images, strict=True))

    def bring(num: int) -> None:
        for _ in range(num):
            name, image = next(coming)
            image.save("new.png")
            Path("new.png").rename(name)
            time.sleep(0.002)

    for signal_number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        bring(5)
        before = count_lines()
        arguments = ["read", "scans", "--watch", "--json", "--out", "out"]
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        ) as command:
            wait_for_lines(before + 1)
            bring(8)
            wait_for_lines(before + 6)
            if signal_number == signal.SIGINT:
                wait_for_lines(26)
            command.send_signal(signal_number)
            assert command.stderr is not None
            assert "Traceback" not in command.stderr.read()
        assert command.returncode == code
    files = [json.loads(line)["file"] for line in Path("out").read_text().splitlines()]
    assert sorted(files) == sorted(names[:26])
