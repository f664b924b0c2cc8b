"""The options and the environment of a run: the content of config.json. No torch."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from tenfold.recipes.recipe import Recipe
from tenfold.system.json_types import OMIT_DEFAULT

SEEDS, THREADS = range(2**32), range(1, 1025)
EPOCHS = range(10_001)  # of a recipe, at most
# The same on every machine, because a weight's last bits may depend on it (training/threads.py).
# Two threads take 0.57 of the time of one; the small networks here gain nothing from more.
DEFAULT_THREADS = 2
TrackerName = Literal["csv", "mlflow", "tensorboard"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The options and the environment of a run: the content of config.json.

    `data_folder` is None for MNIST, and for data that were arrays (`from_arrays`). `checksums` are
    the SHA-256 of the unpacked data files, images first, for each part: "train", and "test" unless
    it is a hold-out run or was not evaluated (`is_evaluated`), as an estimator is not.
    `holds_out_writers` is whether whole writers were held out of MNIST, which Tenfold 0.2 did not
    do.

    Four fields do not affect the weights: epochs between checkpoints (0 writes only the last one),
    accuracy after each epoch, figures and report, trackers. `class_names` are those of the labels 0
    to 9, empty for digits.
    """

    recipe: Recipe
    seed: Annotated[int, SEEDS]
    holdout: bool
    data_folder: str | None
    checksums: dict[str, tuple[str, str]]
    threads: Annotated[int, THREADS]
    device: str
    versions: dict[str, str]
    machine: Annotated[dict[str, str | int], {"cpu", "cores", "system"}]
    started: str
    checkpoint_every: Annotated[int, EPOCHS] = 1
    by_epoch: bool = False
    report: bool = True
    log: tuple[TrackerName, ...] = field(default=(), metadata=OMIT_DEFAULT)
    class_names: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    from_arrays: bool = field(default=False, metadata=OMIT_DEFAULT)
    is_evaluated: bool = field(default=True, metadata=OMIT_DEFAULT)
    holds_out_writers: bool = field(default=False, metadata=OMIT_DEFAULT)

    @property
    def fingerprint(self) -> dict[str, str | int]:
        """Everything about the machine that may change the last bits of the weights.

        The number of cores, the kernel release and the version of Matplotlib do not.
        """
        values = {"threads": self.threads, "device": self.device, **self.machine, **self.versions}
        values["system"] = str(self.machine["system"]).partition("-")[0]
        return {name: values[name] for name in values if name not in ("cores", "matplotlib")}

    def describe_changes(self, now: "RunConfig") -> list[str]:
        """The differences of another config's fingerprint, such as "threads 1 instead of 2"."""
        mine, others = self.fingerprint, now.fingerprint
        return [
            f"{name} {others.get(name, 'none')} instead of {mine.get(name, 'none')}"
            for name in {**mine, **others}
            if mine.get(name) != others.get(name)
        ]
