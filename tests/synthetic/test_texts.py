"""What is written on a line."""

from collections import Counter

import numpy as np

from tenfold.reading.line_reader import BLANK, LABELS
from tenfold.synthetic.texts import sample_text


def test_texts_have_all_labels_and_no_other_character() -> None:
    rng = np.random.default_rng(0)
    counts = Counter("".join(sample_text(rng) for _ in range(5000)))
    assert set(counts) == {*LABELS, " "} - {BLANK}
    assert min(counts.values()) > 20


def test_texts_vary_in_length() -> None:
    rng = np.random.default_rng(0)
    lengths = Counter(len(sample_text(rng)) for _ in range(3000))
    assert set(range(1, 11)) <= set(lengths)
    assert max(lengths) < 20
    assert min(lengths) == 1
