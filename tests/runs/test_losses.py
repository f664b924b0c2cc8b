import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_errors import catch_error
from tenfold.runs.losses import LOSSES, append_losses, read_losses


@given(
    epochs=st.lists(
        st.lists(st.floats(0, 1e9, width=32), min_size=1, max_size=20), min_size=1, max_size=4
    ),
    piece=st.integers(1, 7),
)
def test_losses_are_read_back_exactly(
    epochs: list[list[float]], piece: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    for epoch, losses in enumerate(epochs):
        for first in range(0, len(losses), piece):
            append_losses(folder, epoch, first, losses[first : first + piece])
    assert read_losses(folder) == epochs


def test_losses_are_lines_of_json_readable_while_they_grow(tmp_path: Path) -> None:
    append_losses(tmp_path, 1, 4, [0.5, 0.25])
    lines = (tmp_path / LOSSES).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"epoch": 1, "batch": 4, "loss": 0.5},
        {"epoch": 1, "batch": 5, "loss": 0.25},
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ('{"epoch": 0, "batch": 0}', "'loss'"),
        ('{"epoch": 0, "batch": 0, "loss": "much"}', "could not convert string to float"),
        ('{"epoch": 2, "batch": 0, "loss": 1.0}', "list index out of range"),
        ('{"epoch": 0.5, "batch": 0, "loss": 1.0}', "list indices must be integers"),
        ("7", "'int' object is not subscriptable"),
        (20_000 * "[", "nested too deeply"),
        ('{"epoch": 0, "batch": 0, "loss": 1' + 400 * "0" + "}", "int too large to convert"),
    ],
)
def test_broken_losses_are_refused(line: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / LOSSES).write_text(f'{{"epoch": 0, "batch": 0, "loss": 1.0}}\n{line}\n')
    assert catch_error(lambda: read_losses(tmp_path)).startswith(
        f"{tmp_path / LOSSES}: cannot read the losses of the run: {reason}"
    )


def test_missing_losses_are_refused(tmp_path: Path) -> None:
    assert catch_error(lambda: read_losses(tmp_path)).startswith(
        f"{tmp_path / LOSSES}: cannot read the losses of the run: [Errno 2] No such file"
    )
