"""Worker processes end with their parent, however it ends."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from processes import is_group_alive, wait_for_group_to_end
from tenfold.data.mnist import LabelledImages
from tenfold.synthetic import generate
from tenfold.synthetic.generate import DigitSource, generate_images

DRAWING = """
from pathlib import Path
from sys import argv
from tenfold.data.mnist import load_part
from tenfold.synthetic import generate
if __name__ == "__main__":
    generate.CHUNK_SIZE = 20
    images = load_part(Path(argv[1]), "train")
    source = generate.DigitSource(images.images_NHW, images.labels_N, 0)
    show = lambda count: print(count, flush=True)
    generate.generate_images(source, 100_000, processes=2, on_progress=show)
"""
READING = """
import itertools
from sys import argv
from tenfold.reading.bulk import read_files
if __name__ == "__main__":
    for file, reading in read_files(itertools.repeat(open(argv[1], "rb").read()), processes=2):
        print(reading.text, flush=True)
"""


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def source(program: str, small_data: Path, pngs: list[bytes], tmp_path: Path) -> Path:
    """What a program draws from or reads."""
    (tmp_path / "digit.png").write_bytes(pngs[0])
    return small_data if program is DRAWING else tmp_path / "digit.png"


@pytest.mark.parametrize("program", [DRAWING, READING], ids=["drawing", "reading"])
def test_a_script_without_a_main_guard_is_refused(
    program: str, source: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(program.replace('if __name__ == "__main__"', "if True"))
    command = [sys.executable, str(script), str(source)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert f'{script}: put the calls of Tenfold below `if __name__ == "__main__":`' in last
    assert last.startswith("tenfold.errors.")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("program", [DRAWING, READING], ids=["drawing", "reading"])
def test_worker_processes_end_with_their_parent(
    program: str, source: Path, how: signal.Signals
) -> None:
    command = [sys.executable, "-c", program, str(source)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()  # the workers are running
            process.send_signal(how)  # to the parent only
            assert process.wait() == -how
            wait_for_group_to_end(process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert not is_group_alive(process.pid)


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
def test_ctrl_c_terminates_running_calls(
    training: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 10_000_000  # one chunk would take a day
    monkeypatch.setattr(generate, "CHUNK_SIZE", count)
    source = DigitSource(training.images_NHW[:300], training.labels_N[:300], 0)

    def interrupt() -> None:
        while not multiprocessing.active_children():
            time.sleep(0.01)
        time.sleep(0.5)  # drawing starts
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        generate_images(source, count, processes=2)
    thread.join()
    assert multiprocessing.active_children() == []
