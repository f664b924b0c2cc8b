import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.signal import savgol_filter

from images import open_picture
from made_studies import build_evaluation
from tenfold.data.mnist import LabelledImages
from tenfold.reports.figures.confusion import draw_confusions
from tenfold.reports.figures.images import (
    draw_contact_sheet,
    draw_gallery,
    draw_misclassified,
    draw_rows,
)
from tenfold.reports.figures.loss import draw_losses, smooth
from tenfold.reports.figures.style import DARK, LIGHT, Theme, save_png
from tenfold.runs.results import Evaluation


def evaluate(images: LabelledImages, num_wrong: int) -> Evaluation:
    """The evaluation of predictions with mistakes on the first images only."""
    predicted = images.labels_N.astype(np.int64)
    predicted[:num_wrong] = (predicted[:num_wrong] + 1) % 10
    return build_evaluation(images.labels_N, predicted, np.linspace(1.0, 0.5, len(predicted)))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("num_wrong", [0, 1, 100])
def test_figures_can_be_drawn_with_any_number_of_mistakes(
    test_images: LabelledImages, theme: Theme, num_wrong: int
) -> None:
    evaluation = evaluate(test_images, num_wrong)
    for png in (
        draw_confusions(evaluation, theme),
        draw_misclassified(test_images.images_NHW, evaluation, theme),
    ):
        open_picture(png, theme)


def test_the_gallery_shows_the_misclassified_images(
    test_images: LabelledImages,
) -> None:
    evaluation = evaluate(test_images, 3)
    other = dataclasses.replace(evaluation, misclassified=evaluation.misclassified[::-1])
    first, second = (
        open_picture(draw_misclassified(test_images.images_NHW, shown))
        for shown in (evaluation, other)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("num_epochs", "num_batches"), [(1, 1), (2, 7), (1, 600), (30, 7)])
def test_losses_can_be_drawn_for_any_number_of_epochs(num_epochs: int, num_batches: int) -> None:
    losses = [
        [2.0 / (1 + epoch + batch) for batch in range(num_batches)] for epoch in range(num_epochs)
    ]
    png = draw_losses(losses)
    assert open_picture(png).shape[1] > 1000
    assert draw_losses(losses) == png


def test_losses_of_zero_can_be_drawn() -> None:
    assert open_picture(draw_losses([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).size


def test_smoothing_is_a_centred_mean() -> None:
    values = np.array([4.0, 1.0, 7.0, 1.0, 2.0])
    np.testing.assert_allclose(smooth(values, 3)[1:4], [4, 3, 10 / 3])
    np.testing.assert_allclose(smooth(values, 1), values)
    np.testing.assert_allclose(smooth(np.ones(1), 3), [1])
    assert len(smooth(values, 99)) == len(smooth(values, 4)) == 5


def test_smoothing_is_a_savitzky_golay_filter() -> None:
    values = np.random.default_rng(0).normal(5, 0.1, 600)
    expected = savgol_filter(values, 49, polyorder=1, mode="interp")
    np.testing.assert_allclose(smooth(values, 48), expected)
    falling = np.linspace(2, 1, 100)
    np.testing.assert_allclose(smooth(falling, 20), falling)


def test_a_contact_sheet_has_a_row_per_label(test_images: LabelledImages) -> None:
    images, labels = test_images.images_NHW[:500], test_images.labels_N[:500]
    sheet = open_picture(draw_contact_sheet(images, labels, "MNIST"))
    fewer = open_picture(draw_contact_sheet(images[labels < 5], labels[labels < 5], "MNIST"))
    assert fewer.shape[0] < sheet.shape[0]


@pytest.mark.parametrize("num_words", [1, 25, 60])
def test_long_subtitles_are_wrapped_above_the_images(
    num_words: int, test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []

    def note(figure: Figure) -> bytes:
        drawn.append(figure)
        return save_png(figure)

    monkeypatch.setattr("tenfold.reports.figures.images.save_png", note)
    images_NHW, subtitle = test_images.images_NHW, " ".join(["rotation"] * num_words)
    rows = images_NHW[:60].reshape(10, 6, 28, 28)
    open_picture(draw_rows(rows, title="Digits", subtitle=subtitle))
    shown = [(index, "above", "below") for index in range(20)]
    open_picture(draw_gallery(images_NHW, shown, title="Digits", subtitle=subtitle, theme=LIGHT))
    for figure in drawn:
        figure.draw_without_rendering()
        [axes] = figure.axes
        [words] = [text for text in figure.texts if "rotation" in text.get_text()]
        assert words.get_text().split() == subtitle.split()
        assert words.get_window_extent().y0 > axes.get_window_extent().y1
        assert axes.get_window_extent().height > 0.6 * figure.bbox.height
