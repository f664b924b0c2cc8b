"""The model that classifies digit images.

Array names carry their axes: N images, H rows, W columns, K classes.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenfold.digits import IMAGE_SIZE_PX
from tenfold.reading.model_file import BUNDLED, Interface, ModelFile, load_model
from tenfold.reading.probabilities import softmax

BUNDLED_MODEL = BUNDLED / "reader.onnx"
INPUT, OUTPUT = "images", "logits"
BATCH_SIZE = 64  # intermediate results of larger batches do not fit into the processor's caches


class Classifier(ModelFile):
    """A loaded model of digit images."""

    interface = Interface(
        INPUT, (None, IMAGE_SIZE_PX, IMAGE_SIZE_PX), OUTPUT, output_rank=2, num_answers=(10, 11)
    )

    def classify(self, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities [N, K] of digit images, uint8 [N, 28, 28].

        The ten digits and, with K = 11, a reject class. Temperature scaling is applied.
        """
        if not len(images_NHW):
            return np.zeros((0, self.num_answers), np.float32)
        batches = (
            images_NHW[first : first + BATCH_SIZE]
            for first in range(0, len(images_NHW), BATCH_SIZE)
        )
        return softmax(np.concatenate([self.run(batch) for batch in batches]))


def load_classifier(path: Path | None = None, threads: int = 1) -> Classifier:
    """Load a model of digit images that `tenfold export` wrote, by default the bundled one.

    Raises ModelError if the file cannot be read or is not such a model.
    """
    return load_model(Classifier, BUNDLED_MODEL if path is None else path, threads)
