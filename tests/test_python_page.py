"""The code of docs/python.md, run as written but on the first images of MNIST."""

import re
from pathlib import Path

import pytest

import tenfold
from readme import ROOT
from tenfold.data.mnist import LabelledImages

PAGE = (ROOT / "docs/python.md").read_text()


def test_the_code_of_the_page_runs(
    training: LabelledImages,
    test_images: LabelledImages,
    few_of_mnist: None,
    no_report: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pairs = tuple((part.images_NHW[:600], part.labels_N[:600]) for part in (training, test_images))
    monkeypatch.setattr("tenfold.data.mnist.load_mnist", lambda: pairs)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    blocks = re.findall(r"^```python( title=\"(.*)\")?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    for _, file, code in blocks:
        if file:
            Path(file).write_text(code)
        else:
            exec(code, {})
    assert re.search(r"^SHA-256 [0-9a-f]{64}$", capsys.readouterr().out, re.MULTILINE)
    assert len([*Path("runs").iterdir()]) == 2
    assert (
        "my_models:build"
        in tenfold.load_run(next(Path("runs").glob("*-mine-0"))).config.recipe.model.describe()
    )
