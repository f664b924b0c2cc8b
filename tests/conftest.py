"""Fixtures that several test files share, and the order in which test files run."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

from images import to_png
from tenfold.cluster.connecting import Cluster, connecting
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages, Part, load_part

# Several test processes share the cores, so waiting threads must sleep instead of spinning.
os.environ.setdefault("GOMP_SPINCOUNT", "100")
if TYPE_CHECKING:  # tests of the core run without these
    import httpx

    from servers import Served

# Background jobs of a shell ignore Ctrl-C, and processes that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The time of an example depends more on the load of the machine than on Tenfold.
settings.register_profile("tenfold", deadline=None)
settings.load_profile("tenfold")

# The slowest files run first, so that no process is left with one of them at the end.
LONGEST_FILES = (
    "end_to_end/test_resuming.py",
    "end_to_end/test_resume_errors.py",
    "end_to_end/test_page.py",
    "end_to_end/test_page_files.py",
    "cluster/test_connecting.py",
    "cluster/test_studies.py",
    "cluster/test_reading.py",
    "workflow/test_train.py",
    "end_to_end/test_readme.py",
    "test_examples.py",
    "test_train_reading.py",
    "workflow/test_study.py",
    "workflow/test_seed_trainer.py",
    "end_to_end/test_stopped_studies.py",
    "workflow/test_export.py",
    "workflow/test_export_int8.py",
    "workflow/test_export_c.py",
    "workflow/test_calibrate.py",
    "reading/test_reader.py",
    "cli/test_cli.py",
    "cli/test_study_command.py",
    "cli/test_export_command.py",
    "reports/figures/test_study_figures.py",
    "reports/figures/test_figures.py",
    "serving/test_schema.py",
    "serving/test_server.py",
    "serving/test_api_refusals.py",
    "serving/test_api.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    ranks = {tests / name: rank for rank, name in enumerate(LONGEST_FILES)}
    missing = [str(path) for path in ranks if not path.exists()]
    assert not missing, f"LONGEST_FILES lists files that do not exist: {missing}"
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process one file at a time, but tests/cluster as a whole, to start Ray once."""
    from xdist.scheduler import LoadFileScheduling

    scheduler = LoadFileScheduling(config, log)
    find_file, folder = scheduler._split_scope, "tests/cluster/"
    scheduler._split_scope = lambda test: folder if test.startswith(folder) else find_file(test)
    return scheduler


@pytest.fixture(autouse=True)
def cached_operators() -> None:
    """Make PyTorch's ONNX exporter build its table of operators once, not for each export."""
    module = sys.modules.get("torch.onnx._internal.exporter._registration")
    if module is not None and not hasattr(module.ONNXRegistry.from_torchlib, "cache_info"):
        build = module.ONNXRegistry.from_torchlib
        module.ONNXRegistry.from_torchlib = staticmethod(functools.cache(build))


@pytest.fixture(scope="session")
def training() -> LabelledImages:
    """The 60,000 training images."""
    return load_part(None, "train")


@pytest.fixture(scope="session")
def test_images() -> LabelledImages:
    """The 10,000 test images."""
    return load_part(None, "test")


@pytest.fixture(scope="session")
def small_data(
    training: LabelledImages, test_images: LabelledImages, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """1,200 training and 500 test images of MNIST, as plain IDX files."""
    folder = tmp_path_factory.mktemp("small")
    for prefix, images, count in (("train", training, 1200), ("t10k", test_images, 500)):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(dump_idx(images.images_NHW[:count]))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(dump_idx(images.labels_N[:count]))
    return folder


@pytest.fixture
def few_of_mnist(
    training: LabelledImages, test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make runs and studies of MNIST train on its first 6,000 images, the last 1,000 held out."""
    few = training.select(np.arange(6000))

    def load_few(folder: Path | None, part: Part) -> LabelledImages:
        if folder is not None:
            return load_part(folder, part)
        return few if part == "train" else test_images

    monkeypatch.setattr("tenfold.workflow.images.load_part", load_few)
    monkeypatch.setattr("tenfold.data.mnist.find_held_out", lambda: np.arange(6000) >= 5000)


@pytest.fixture
def few_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrate hold-out runs on 20 readings and 50 scenes; thousands take up to a minute."""
    monkeypatch.setattr("tenfold.workflow.calibrate.MOST_READ", 20)
    monkeypatch.setattr("tenfold.workflow.calibrate.MOST_READ_OF_OTHERS", 20)
    monkeypatch.setattr("tenfold.workflow.calibrate.NUM_SCENES", 50)


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip figures and reports, which take longer than training a small run."""
    monkeypatch.setattr("tenfold.reports.run_files.write_run_report", lambda *_: None)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the seeds of studies in this process; starting others takes seconds."""

    def run_here(
        train_seed: Callable[[int], Any], seeds: Sequence[int], num_jobs: int
    ) -> Iterator[Any]:
        for seed in seeds:
            yield train_seed(seed)

    monkeypatch.setattr("tenfold.workflow.study.run_seeds", run_here)


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    from servers import serving

    with serving("--log-format", "json") as server:
        yield server


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    import httpx

    with httpx.Client(base_url=served.address, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def pngs(test_images: LabelledImages) -> list[bytes]:
    """The first 200 test images as PNG files."""
    return [to_png(image) for image in test_images.images_NHW[:200]]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A local Ray with two cores, which calls without an address also use."""
    with connecting(num_cores=2) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def scans(pngs: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 40 images in two subfolders, a damaged image and a text file."""
    folder = tmp_path_factory.mktemp("scans")
    for number, png in enumerate(pngs[:40]):
        path = folder / str(number % 2) / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png)
    (folder / "damaged.png").write_bytes(pngs[0][:100])
    (folder / "notes.txt").write_text("no image")
    return folder
