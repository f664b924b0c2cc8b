import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tenfold.auditing.audit import measure_audit
from tenfold.auditing.results import Audit
from tenfold.data.mnist import LabelledImages
from tenfold.reports.figures.audit import (
    draw_corruption_errors,
    draw_examples,
    draw_reliability,
    draw_risk,
)
from tenfold.reports.figures.style import DARK


@pytest.fixture(scope="module", params=["usual", "faultless"])
def audit(request: pytest.FixtureRequest, test_images: LabelledImages) -> Audit:
    """Of a classifier that is sure, and nearly always or always right, whatever the image."""
    few = test_images.select(np.arange(100))
    answers = np.eye(10, dtype=np.float32)[few.labels_N] * 9
    if request.param == "usual":
        answers[::9] = np.roll(answers[::9], 1, axis=1) / 4

    def classify(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return answers[: len(images)]

    others = {"none": np.zeros((5, 28, 28), np.uint8)}
    return measure_audit(
        classify,
        few,
        others,
        model="made up",
        part="test",
        is_mnist=True,
        is_whole=False,
        seed=0,
        report=lambda _: None,
    )


@pytest.mark.parametrize("draw", [draw_corruption_errors, draw_reliability, draw_risk])
def test_figures_are_drawn_with_and_without_errors(draw: object, audit: Audit) -> None:
    assert callable(draw)
    picture = Image.open(io.BytesIO(draw(audit)))
    assert picture.width == 1312
    assert len(picture.convert("RGB").getcolors(maxcolors=100_000) or []) > 10


def test_the_corruptions_are_shown_in_rows(test_images: LabelledImages) -> None:
    picture = Image.open(io.BytesIO(draw_examples(test_images.images_NHW[:100], 0, DARK)))
    assert picture.width == 1312
    assert picture.height > 1000
