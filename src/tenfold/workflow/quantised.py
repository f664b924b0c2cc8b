"""How a quantised model compares with that of its run."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import LabelledImages
from tenfold.digits import NUM_CLASSES
from tenfold.evaluation.text import format_percent
from tenfold.runs.config import RunConfig


@dataclass(frozen=True, kw_only=True)
class QuantisedAccuracy:
    """How a quantised model does on the images that its run was evaluated on.

    `part` is "test" or "validation". `accuracy` is its own among the ten classes, `float_accuracy`
    that of the run's model. `agreement` is the share of images for which both give the same class,
    which may be the reject class.
    """

    part: str
    num_images: int
    accuracy: float
    float_accuracy: float
    agreement: float

    def describe(self) -> str:
        """The numbers in one line."""
        return (
            f"{format_percent(self.accuracy)} of {self.num_images:,} {self.part} images "
            f"({format_percent(self.float_accuracy)} in floating point), the same answer for "
            f"{format_percent(self.agreement)}"
        )


def compare_answers(
    config: RunConfig,
    evaluated: LabelledImages,
    quantised_NK: npt.NDArray[np.generic],
    float_NK: npt.NDArray[np.generic],
) -> QuantisedAccuracy:
    """Compare scores or probabilities of both models, [N, K]."""
    quantised_N, float_N = (one[:, :NUM_CLASSES].argmax(1) for one in (quantised_NK, float_NK))
    return QuantisedAccuracy(
        part="validation" if config.holdout else "test",
        num_images=len(evaluated),
        accuracy=float((quantised_N == evaluated.labels_N).mean()),
        float_accuracy=float((float_N == evaluated.labels_N).mean()),
        agreement=float((quantised_NK.argmax(1) == float_NK.argmax(1)).mean()),
    )
