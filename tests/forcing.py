"""Makes every machine compute as some do, where the bits of a step depend on the thread count."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "thread_dependent"


@contextmanager
def depending_on_threads() -> Iterator[None]:
    """Make gradients depend on the number of threads, here and in processes started here.

    `make test THREAD_DEPENDENT=1` does so for all tests.
    """
    customized = getattr(sys.modules.get("sitecustomize"), "__file__", None)
    if customized is not None and Path(customized).parent == FOLDER:
        yield
        return
    from tenfold.training import gradients

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        from arithmetic import depend_on_threads

        changed = depend_on_threads(gradients.build_gradients)
        patch.setattr("tenfold.training.loop.build_gradients", changed)
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        yield
