"""The best path through a lattice, with a classifier that knows boxes and the bundled one."""

from collections.abc import Sequence

import numpy as np
import pytest

import tenfold
from reading.pages import Box, Map, cut, enlarge, find_page, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.glyphs import Glyph
from tenfold.reading.lattice import Candidate, Classify, build_lattice, find_best_path
from tenfold.reading.pattern import parse_pattern
from tenfold.reading.splitting import over_segment

NO_DIGIT = 10
HEIGHT = 100.0
MANY = 1000  # glyphs that may be classified


def build_glyph(box: Box) -> Glyph:
    return Glyph(box, np.ones((box[3] - box[1], box[2] - box[0]), np.float32))


def build_candidate(glyph: Glyph, answer: int, confidence: float) -> Candidate:
    probabilities_K = np.full(11, (1 - confidence) / 10, np.float32)
    probabilities_K[answer] = confidence
    return Candidate(glyph, np.zeros((28, 28), np.uint8), probabilities_K)


def know(answers: dict[Box, tuple[int, float]], tolerance: int = 8) -> Classify:
    """A classifier that knows the glyphs in these boxes; everything else might be an eight."""

    def classify(glyphs: Sequence[Glyph]) -> list[Candidate]:
        candidates = []
        for glyph in glyphs:
            answer, confidence = 8, 0.095
            for box, known in answers.items():
                if np.abs(np.array(glyph.box) - box).max() <= tolerance:
                    answer, confidence = known
            candidates.append(build_candidate(glyph, answer, confidence))
        return candidates

    return classify


def find_digits(line: list[Candidate], classify: Classify, most: int) -> list[Candidate]:
    return find_best_path(build_lattice(line, HEIGHT, classify, most), HEIGHT).digits


def find_path(line: list[Glyph], classify: Classify) -> list[tuple[int, Box]]:
    path = find_digits(classify(line), classify, MANY)
    return [(one.digit, one.glyph.box) for one in path]


def find_touching(images: LabelledImages) -> tuple[Glyph, list[Box]]:
    """Two zeros that touch, as one glyph, and the box of each."""
    zeros = images.images_NHW[images.labels_N == 0][:2]
    ink_HW, boxes = lay_out([[enlarge(zero_HW, 5) for zero_HW in zeros]], gap=-3, margin=40)
    page = find_page(ink_HW)
    assert len(page.components) == 1
    return page.extract([0]), boxes


def test_touching_digits_are_cut_if_the_fragments_are_digits(test_images: LabelledImages) -> None:
    glyph, boxes = find_touching(test_images)
    classify = know({boxes[0]: (3, 0.99), boxes[1]: (7, 0.99)})
    path = find_digits(classify([glyph]), classify, MANY)
    assert [one.digit for one in path] == [3, 7]
    assert [one.glyph.is_fragment for one in path] == [True, True]


def test_a_glyph_too_wide_for_a_digit_is_cut(
    test_images: LabelledImages,
) -> None:
    glyph, boxes = find_touching(test_images)
    assert glyph.width > 1.5 * HEIGHT
    classify = know({glyph.box: (5, 0.99), boxes[0]: (3, 0.9), boxes[1]: (7, 0.9)})
    assert [digit for digit, _ in find_path([glyph], classify)] == [3, 7]


def test_a_confident_digit_is_not_cut(test_images: LabelledImages) -> None:
    glyph, boxes = find_touching(test_images)
    narrow = Glyph((0, 0, 110, 100), glyph.strength_HW[:100, :110])
    assert len(over_segment(narrow, HEIGHT)) > 1
    classify = know({narrow.box: (5, 0.999), boxes[0]: (3, 0.99)})
    assert find_path([narrow], classify) == [(5, narrow.box)]


def test_a_lone_glyph_is_cut_only_if_that_may_be_likelier(test_images: LabelledImages) -> None:
    glyph, _ = find_touching(test_images)
    narrow = Glyph((0, 0, 103, 100), glyph.strength_HW[:100, :103])
    fragments = {one.box: (3, 0.99) for one in over_segment(narrow, HEIGHT)}
    assert len(fragments) > 1
    asked: list[Glyph] = []
    for whole, num_digits in (((5, 0.25), 1), ((NO_DIGIT, 0.99), len(fragments))):
        know_all = know({**fragments, narrow.box: whole}, 0)

        def classify(glyphs: Sequence[Glyph], know_all: Classify = know_all) -> list[Candidate]:
            asked.extend(glyphs)
            return know_all(glyphs)

        path = find_digits(know_all([narrow]), classify, MANY)
        assert len(path) == num_digits
        assert bool(asked) == (num_digits > 1)


def test_a_glyph_that_no_cut_improves_stays_whole(test_images: LabelledImages) -> None:
    glyph, _ = find_touching(test_images)
    narrow = Glyph((0, 0, 110, 100), glyph.strength_HW[:100, :110])
    assert find_path([narrow], know({narrow.box: (5, 0.6)})) == [(5, narrow.box)]


def test_two_glyphs_that_are_one_digit_are_joined() -> None:
    line = [build_glyph((0, 0, 30, 100)), build_glyph((45, 0, 60, 100))]
    both = (0, 0, 60, 100)
    assert find_path(line, know({both: (4, 0.99)})) == [(4, both)]
    # Apart they are likelier, as a bridged gap costs.
    answers = {line[0].box: (1, 0.99), line[1].box: (1, 0.99), both: (4, 0.99)}
    assert [digit for digit, _ in find_path(line, know(answers))] == [1, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, 0, 30, 100), (75, 0, 105, 100)),  # too far apart
        ((0, 0, 70, 100), (80, 0, 150, 100)),  # too wide together
        ((0, 0, 30, 100), (35, 80, 65, 180)),  # too high together
    ],
)
def test_glyphs_that_do_not_fit_into_one_digit_are_not_joined(one: Box, other: Box) -> None:
    both = (0, 0, other[2], other[3])
    line = [build_glyph(one), build_glyph(other)]
    assert len(find_path(line, know({both: (4, 0.99)}))) == 2


def test_the_likeliest_path_is_taken() -> None:
    """Five glyphs: a digit of two, a digit of one, a digit of two."""
    line = [build_glyph((left, 0, left + 24, 100)) for left in (0, 30, 75, 120, 150)]
    answers = {
        (0, 0, 54, 100): (4, 0.95),
        (30, 0, 99, 100): (6, 0.9),  # would leave the first alone
        (75, 0, 99, 100): (1, 0.95),
        (120, 0, 174, 100): (9, 0.95),
    }
    assert [digit for digit, _ in find_path(line, know(answers, 2))] == [4, 1, 9]


def test_an_empty_line_has_no_digits() -> None:
    assert find_digits([], know({}), MANY) == []


def test_a_rejected_low_glyph_stays_apart() -> None:
    line = [build_glyph((0, 0, 60, 100)), build_glyph((70, 85, 82, 97))]
    answers = {line[0].box: (4, 0.97), line[1].box: (NO_DIGIT, 0.95)}
    classify = know({**answers, (0, 0, 82, 100): (4, 0.3)})
    path = find_digits(classify(line), classify, MANY)
    assert [one.glyph.box for one in path] == [line[0].box, line[1].box]
    assert path[1].reject_probability > 0.9


def test_a_candidate_has_a_digit_and_a_reject_probability() -> None:
    candidate = build_candidate(build_glyph((0, 0, 50, 100)), 3, 0.7)
    assert candidate.digit == 3
    assert candidate.confidence == pytest.approx(0.7)
    assert candidate.reject_probability == pytest.approx(0.03, abs=1e-6)
    assert candidate.log_probability == pytest.approx(np.log(0.7))
    rejected = build_candidate(build_glyph((0, 0, 50, 100)), NO_DIGIT, 0.9)
    assert rejected.reject_probability == pytest.approx(0.9)
    assert rejected.confidence == pytest.approx(0.01)


def test_without_an_eleventh_class_nothing_is_rejected() -> None:
    glyph = build_glyph((0, 80, 10, 90))
    candidate = Candidate(glyph, np.zeros((28, 28), np.uint8), np.full(10, 0.1, np.float32))
    assert candidate.reject_probability == 0
    assert candidate.score(HEIGHT) == pytest.approx(np.log(0.1))


def break_in_two(ink_HW: Map, axis: int) -> Map:
    """Without six of about a hundred pixels in its middle."""
    broken_HW = cut(ink_HW).copy()
    middle = broken_HW.shape[axis] // 2
    gap = slice(middle - 3, middle + 3)
    broken_HW[(gap, slice(None)) if axis == 0 else (slice(None), gap)] = 0
    return broken_HW


@pytest.mark.parametrize(
    ("axis", "is_alone", "least"), [(0, True, 10), (1, True, 10), (0, False, 10), (1, False, 8)]
)
def test_a_digit_broken_in_two_is_read_as_one(
    reader: tenfold.Reader, test_images: LabelledImages, axis: int, is_alone: bool, least: int
) -> None:
    num_right = 0
    images_NHW, labels_N = test_images.images_NHW, test_images.labels_N
    for number in range(12):
        line = [] if is_alone else [enlarge(images_NHW[number + 100], 6)]
        line.append(break_in_two(enlarge(images_NHW[number], 6), axis))
        ink_HW, _ = lay_out([line], gap=60, margin=60)
        expected = f"{'' if is_alone else labels_N[number + 100]}{labels_N[number]}"
        num_right += reader.read(paint(ink_HW)).text == expected
    assert num_right >= least


def count_asked(line: list[Glyph], know_all: Classify, most: int) -> tuple[int, int]:
    """How many glyphs are classified, and how many digits there are."""
    asked: list[Glyph] = []

    def classify(glyphs: Sequence[Glyph]) -> list[Candidate]:
        asked.extend(glyphs)
        return know_all(glyphs)

    path = find_digits(know_all(line), classify, most)
    return len(asked), len(path)


def test_runs_of_clear_digits_are_not_classified() -> None:
    line = [build_glyph((left, 0, left + 30, 100)) for left in range(0, 400, 40)]
    clear = know({one.box: (1, 0.99) for one in line}, 0)
    assert count_asked(line, clear, MANY) == (0, 10)
    # The first is not a digit: alone it costs more than a bridged gap.
    assert count_asked(line, know({one.box: (1, 0.99) for one in line[1:]}, 0), MANY)[0] > 0


def test_the_number_of_classified_glyphs_is_limited(test_images: LabelledImages) -> None:
    touching, _ = find_touching(test_images)
    num_parts = len(over_segment(touching, HEIGHT))
    line = [
        Glyph((left, 0, left + touching.width, touching.height), touching.strength_HW)
        for left in range(0, 3000, 250)
    ]
    unknown = know({})
    assert count_asked(line, unknown, 0) == (0, len(line))
    num_asked, _ = count_asked(line, unknown, 20)
    assert 20 <= num_asked < 20 + num_parts
    assert count_asked(line, unknown, MANY)[0] > num_asked


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        ("##", [4, 7]),  # the last two joined are the likelier pair
        ("###", [4, 1, 1]),
        ("4[235]#?", [4, 2]),
        ("#{5}", None),
    ],
)
def test_digits_that_fit_a_pattern_are_found_in_the_same_lattice(
    expect: str, expected: list[int] | None
) -> None:
    line = [build_glyph((left, 0, left + 24, 100)) for left in (0, 40, 70)]
    classify = know(
        {
            line[0].box: (4, 0.99),
            line[1].box: (1, 0.5),
            line[2].box: (1, 0.5),
            (40, 0, 94, 100): (7, 0.97),
        },
        2,
    )
    lattice = build_lattice(classify(line), HEIGHT, classify, MANY)
    automaton = parse_pattern(expect).digits_automaton
    fitting = find_best_path(lattice, HEIGHT, automaton).fitting
    if expected is None:
        assert fitting is None
        return
    assert fitting is not None
    digits = [one.digit for one in fitting]
    assert automaton.accepts(map(str, digits))
    assert digits[: len(expected)] == expected
    for one in fitting:
        assert one.probabilities_K.sum() == pytest.approx(1)
