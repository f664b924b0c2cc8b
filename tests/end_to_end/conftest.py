"""A complete run and an interrupted one, each trained once; a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tenfold

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from servers import Served


@pytest.fixture
def progress_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report progress after every step, so that a run can be interrupted inside an epoch."""
    monkeypatch.setattr("tenfold.training.loop.SECONDS_BETWEEN_PROGRESS", 0)


@pytest.fixture(scope="session")
def whole(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    """A run that was not interrupted."""
    from end_to_end.interrupting import SHORT

    return tenfold.train("classic", data=small_data, out=tmp_path_factory.mktemp("whole"), **SHORT)


@pytest.fixture(scope="session")
def _interrupted(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from end_to_end.interrupting import train_and_interrupt

    out = tmp_path_factory.mktemp("interrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.training.loop.SECONDS_BETWEEN_PROGRESS", 0)
        train_and_interrupt(small_data, out)
    return out


@pytest.fixture
def stopped(_interrupted: Path, tmp_path: Path) -> Path:
    """A run that was interrupted after the first step of its second epoch."""
    return Path(shutil.copytree(_interrupted, tmp_path / "run"))


@pytest.fixture(scope="module")  # a longer one would keep an event loop beside other tests
def browser() -> Iterator[Browser]:
    """Chromium, with a camera that shows a test picture."""
    from end_to_end.browsing import starting_browser

    with starting_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """The page that draws and reads, in a browser context of its own."""
    from end_to_end.browsing import CLIPBOARD, opening

    with opening(browser, served.address, permissions=CLIPBOARD) as page:
        yield page
