"""The contestants: their names, and how the process of each is run."""

from collections.abc import Callable, Mapping
from functools import partial

from measure import Result, busy_loop, run_import, run_script, run_tenfold

TENFOLD, TUTORIAL, RESIDENT = "tenfold train classic", "tutorial script", "resident tensors"
LIMIT, FASTEST = "limit, torch.mm", "limit, faster library"
BESIDE, BESIDE_OTHER = "tenfold, busy loop beside", "tenfold, in other session"
SCIKIT, IMPORT = "scikit-learn", "import torch"

Contestants = Mapping[str, Callable[..., Result]]


def build_contestants(*, with_sklearn: bool) -> Contestants:
    """Functions from the flags of a process to its `Result`, by name, in running order."""
    contestants: dict[str, Callable[..., Result]] = {
        # These three are compared with each other, so they run in succession.
        BESIDE: partial(run_beside_busy_loop, own_session=False),
        TENFOLD: run_tenfold,
        BESIDE_OTHER: partial(run_beside_busy_loop, own_session=True),
        LIMIT: partial(run_script, "limit.py"),
        FASTEST: partial(run_script, "limit.py", "--fastest"),
        RESIDENT: partial(run_script, "resident.py"),
        TUTORIAL: partial(run_script, "tutorial.py"),
        IMPORT: lambda *flags: run_import(),
    }
    if with_sklearn:
        contestants[SCIKIT] = partial(run_script, "scikit.py")
    return contestants


def run_beside_busy_loop(*flags: str, own_session: bool) -> Result:
    """Run `tenfold train classic` while one thread of another program is busy."""
    with busy_loop(own_session=own_session):
        return run_tenfold(*flags)
