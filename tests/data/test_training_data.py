"""Finding MNIST and the fonts; the core package does not contain them."""

from pathlib import Path

import pytest

import tenfold
from tenfold.data import training_data
from tenfold.data.mnist import load_part
from tenfold.data.training_data import find_training_data
from tenfold.errors import DataError


def test_all_training_data_are_found() -> None:
    assert len(list(find_training_data("mnist").glob("*-ubyte.gz"))) == 4
    assert len(list(find_training_data("fonts").glob("*.woff"))) > 30
    assert len(list(find_training_data("writers").glob("*.gz"))) == 1
    assert len(list(find_training_data("pen_tracks").glob("*.gz"))) == 2


def test_an_installed_package_takes_precedence_over_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "tenfold_training_data"
    (installed / "mnist").mkdir(parents=True)
    (installed / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_training_data("mnist") == installed / "mnist"


def test_the_checkout_is_used_if_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Path(__file__).parents[2] / "training-data" / "tenfold_training_data"
    monkeypatch.setattr(training_data, "PACKAGE", "not_installed")
    monkeypatch.setattr(training_data, "CHECKOUT", checkout)
    assert find_training_data("fonts") == checkout / "fonts"


def test_missing_training_data_are_refused_with_the_command_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "PACKAGE", "not_installed")
    monkeypatch.setattr(training_data, "CHECKOUT", tmp_path)
    with pytest.raises(DataError) as raised:
        load_part(None, "test")
    for fact in ("MNIST is not installed", "`pip install ./training-data`", "--data"):
        assert fact in str(raised.value)
    with pytest.raises(DataError, match=r"^the fonts .* not installed: .*checkout$"):
        find_training_data("fonts")
    with pytest.raises(DataError, match=r"^the list of MNIST's writers, .* is not installed: "):
        find_training_data("writers")
    with pytest.raises(DataError, match=r"^the handwriting .* is not installed: "):
        find_training_data("pen_tracks")


def test_the_core_package_does_not_contain_training_data() -> None:
    files = [path for path in Path(tenfold.__file__).parent.rglob("*.*") if path.suffix != ".pyc"]
    assert {".gz", ".woff"}.isdisjoint(path.suffix for path in files)
    # The networks take nearly all of it.
    assert sum(path.stat().st_size for path in files) < 20_000_000
