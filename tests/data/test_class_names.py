from pathlib import Path

import pytest

from run_errors import catch_error
from tenfold.data.class_names import check_class_names, find_class_names
from tenfold.errors import DataError

NAMES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat")
TEN = (*NAMES, "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def test_names_are_found_in_the_data_folder(tmp_path: Path) -> None:
    assert find_class_names(None) == find_class_names(tmp_path) == ()
    (tmp_path / "classes.txt").write_text("\ufeff" + " \n".join(TEN) + "\n\n", encoding="utf-8")
    assert find_class_names(tmp_path) == TEN


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (NAMES, "has 5 names, but must have 10"),
        ((*NAMES, *NAMES), "two classes have the name 'T-shirt'"),
        (("x" * 41, *TEN[1:]), "the name of class 0 must be at most 40 printable characters"),
        ((*TEN[:9], "a\x1bb"), r"the name of class 9 must be at most 40 printable characters"),
    ],
)
def test_names_that_cannot_be_used_are_refused(names: tuple[str, ...], message: str) -> None:
    found = catch_error(lambda: check_class_names(names, "--class-names"), DataError)
    assert found.startswith(f"--class-names: {message}")
