"""The model that reads a text line as a whole, also where digits touch.

Array names carry their axes: H rows, W columns of pixels, T columns of the network's output, K
classes.
"""

from pathlib import Path

import numpy as np

from tenfold.errors import ModelError
from tenfold.reading.ctc import LogProbs
from tenfold.reading.line_image import COLUMN_PX, HEIGHT_PX, LineImage
from tenfold.reading.model_file import BUNDLED, Interface, ModelFile, load_model
from tenfold.reading.probabilities import log_softmax

BUNDLED_LINES = BUNDLED / "lines.onnx"
INPUT, OUTPUT, COARSE_OUTPUT = "strips", "logits", "coarse_logits"
# What the network tells apart: digits, signs, any other character, and CTC's blank.
SIGNS, OTHER, BLANK = ".,-+/:$*=#%", "~", "blank"
LABELS = (*"0123456789", *SIGNS, OTHER, BLANK)


class LineReader(ModelFile):
    """A loaded model of line images: one line network, or two."""

    interface = Interface(
        INPUT,
        (None, HEIGHT_PX, None),
        OUTPUT,
        3,
        num_answers=(len(LABELS),),
        labels=LABELS,
        second_output_name=COARSE_OUTPUT,
    )

    def read(self, image_HW: LineImage) -> list[LogProbs]:
        """Log probabilities of LABELS of a line image, uint8 [40, W], from each network.

        They are [W / 4, K]; those of a second network may have fewer columns.
        """
        outputs, expected = self.run_all(image_HW[None]), image_HW.shape[1] // COLUMN_PX
        for number, logits_NTK in enumerate(outputs):
            num_columns = logits_NTK.shape[1]
            if not 0 < num_columns <= expected or (number == 0 and num_columns < expected):
                raise ModelError(
                    f"{self.name}: the model gave {num_columns} columns for a line image of "
                    f"{image_HW.shape[1]} pixels, not {expected}"
                )
        return [log_softmax(logits_NTK[0].astype(np.float64)) for logits_NTK in outputs]


def load_line_reader(path: Path | None = None, threads: int = 1) -> LineReader:
    """Load a model of lines that `tools/train_reading.py` wrote, by default the bundled one.

    Raises ModelError if the file cannot be read or is not such a model.
    """
    return load_model(LineReader, BUNDLED_LINES if path is None else path, threads)
