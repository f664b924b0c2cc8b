"""The contestants: their names, and how the process of each is run."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from measure import Result, busy_loop, run_import, run_script, run_tenfold

TENFOLD, TUTORIAL, RESIDENT = "tenfold train classic", "tutorial script", "resident tensors"
LIMIT, FASTEST = "limit, torch.mm", "limit, faster library"
BESIDE, BESIDE_OTHER = "tenfold, busy loop beside", "tenfold, in other session"
SCIKIT, IMPORT = "scikit-learn", "import torch"

# The recipes of the records, from the fastest to the most accurate, then the smallest networks.
LADDER = (
    "dash",
    "sprint",
    "swift",
    "classic",
    "classic-augmented",
    "strong",
    "tiny",
    "small",
    "chip",
)
# What the peers of the records are, by name: the classic recipe, and networks of their own.
CLASSIC_PEERS = {
    "scikit-learn": "`classic` by scikit-learn's MLPClassifier",
    "jax": "`classic` in JAX, an epoch compiled by XLA",
    "keras": "`classic` in Keras, on JAX",
    "tutorial": "`classic` as a tutorial's script: Dataset, DataLoader, `.item()`",
    "resident": "`classic` as tensors in memory, fused Adam",
}
OTHER_PEERS = {
    "train_mnist_fast": "[train_mnist_fast](https://github.com/tuomaso/train_mnist_fast), 1 epoch",
    "pytorch-example": "[PyTorch's example](https://github.com/pytorch/examples/tree/main/mnist), "
    "14 epochs",
}
PEERS = {**CLASSIC_PEERS, **OTHER_PEERS}

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


def build_ladder(keep: Path | None) -> Contestants:
    """`tenfold train` of those recipes of the ladder that there are, by name.

    A run folder of each is kept in `keep`, if it is given.
    """
    return {name: partial(run_tenfold, recipe=name, keep=keep) for name in LADDER}


def build_peers(frameworks: str | None) -> Contestants:
    """The peers of the records by name; `frameworks` is the Python that has JAX and Keras."""
    contestants: dict[str, Callable[..., Result]] = {
        "scikit-learn": partial(run_script, "scikit.py"),
        "tutorial": partial(run_script, "tutorial.py"),
        "resident": partial(run_script, "resident.py"),
        "train_mnist_fast": partial(run_script, "train_mnist_fast.py"),
        "pytorch-example": partial(run_script, "pytorch_example.py"),
    }
    if frameworks is not None:
        contestants["jax"] = partial(run_script, "jitted.py", python=frameworks)
        contestants["keras"] = partial(run_script, "keras_jax.py", python=frameworks)
    return {name: contestants[name] for name in PEERS if name in contestants}


def run_beside_busy_loop(*flags: str, own_session: bool) -> Result:
    """Run `tenfold train classic` while one thread of another program is busy."""
    with busy_loop(own_session=own_session):
        return run_tenfold(*flags)
