"""The estimator of scikit-learn: its conventions, its weights, its folder."""

import inspect
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import own_models
import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ArrayError, DataError, MissingExtraError, RecipeError, RunError
from tenfold.recipes.recipe import list_fields
from tenfold.sklearn import DigitClassifier
from test_imports import close_over_imports

Pair = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
SMALL: dict[str, Any] = {"hidden_sizes": (20,), "epochs": 2, "threads": 1}


class AnyWidth(DigitClassifier):
    """The same with images made of any features, and any labels, for scikit-learn's own data."""

    def _convert_images(
        self, X: npt.NDArray[Any], scale: int | None = None
    ) -> npt.NDArray[np.uint8]:
        images_NP = np.zeros((len(X), 784), np.uint8)
        shares = X / (1 + np.abs(X))
        for i in range(784):
            images_NP[:, i] = np.rint(255 * shares[:, i % X.shape[1]])
        return images_NP.reshape(-1, 28, 28)

    def _convert_classes(self, classes_K: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        return np.arange(len(classes_K), dtype=np.uint8)


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [AnyWidth(hidden_sizes=(20,), epochs=10, batch_size=10, learning_rate=0.01, threads=1)]
)
def test_conventions_of_scikit_learn_hold(estimator: Any, check: Any) -> None:
    check(estimator)


def test_a_check_fails_only_because_its_data_are_no_images() -> None:
    """The expected failures: these checks have other numbers of features than 784 pixels."""
    results = check_estimator(DigitClassifier(), on_fail=None, on_skip=None)
    failed = [one["exception"] for one in results if one["status"] == "failed"]
    assert len(failed) < len(results)
    for error in failed:
        reasons = f"{error} {error.__cause__} {error.__context__}"
        assert "X: the shape is [" in reasons


@pytest.fixture(scope="module")
def pairs(training: LabelledImages, test_images: LabelledImages) -> tuple[Pair, Pair]:
    """What `small_data` has."""
    return (
        (training.images_NHW[:1200], training.labels_N[:1200]),
        (test_images.images_NHW[:500], test_images.labels_N[:500]),
    )


@pytest.fixture(scope="module")
def fitted(pairs: tuple[Pair, Pair]) -> DigitClassifier:
    return DigitClassifier(**SMALL).fit(*pairs[0])


def test_the_weights_are_those_of_train(
    fitted: DigitClassifier, pairs: tuple[Pair, Pair], tmp_path: Path
) -> None:
    run = tenfold.train(data=pairs, out=tmp_path / "run", report=False, **SMALL)
    assert fitted._fitted.training.weights_sha256 == run.training.weights_sha256
    assert fitted.score(*pairs[1]) == pytest.approx(run.accuracy)
    probabilities_NK = fitted.predict_proba(pairs[1][0])
    np.testing.assert_allclose(probabilities_NK, run.predict_proba(pairs[1][0]), atol=1e-6)
    loaded = DigitClassifier.load(run.path)  # any run is a classifier
    assert loaded.get_params()["recipe"] == run.config.recipe
    np.testing.assert_array_equal(loaded.predict(pairs[1][0]), fitted.predict(pairs[1][0]))


def test_images_and_labels_of_every_form_give_the_same_weights(
    fitted: DigitClassifier, pairs: tuple[Pair, Pair]
) -> None:
    images_NHW, labels_N = pairs[0]
    table = pd.DataFrame(images_NHW.reshape(-1, 784)).add_prefix("pixel")  # as of OpenML
    again = DigitClassifier(**SMALL).fit(table, pd.Series(labels_N.astype(str), dtype="category"))
    assert again._fitted.weights == fitted._fitted.weights
    assert again.classes_.tolist() == [*"0123456789"]
    assert again.feature_names_in_[783] == "pixel783"
    floats = pairs[1][0].reshape(-1, 784) * 1.0
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        named = again.predict(floats)
    np.testing.assert_array_equal(named.astype(int), fitted.predict(floats))


def test_the_scale_of_fit_is_that_of_predict(pairs: tuple[Pair, Pair], tmp_path: Path) -> None:
    """A scaler makes some test pixels brighter, or darker, than all of the training images."""
    images_NP, test_NP = (images_NHW.reshape(-1, 784) for images_NHW, _ in pairs)
    scaler = MinMaxScaler().fit(images_NP)
    scaled_NP = scaler.transform(test_NP)
    scaled_NP[0, 0] = -0.1
    assert scaled_NP.max() > 20
    classifier = DigitClassifier(**SMALL).fit(scaler.transform(images_NP), pairs[0][1])
    probabilities_NK = classifier.predict_proba(scaled_NP)
    np.testing.assert_array_equal(probabilities_NK, classifier.predict_proba(scaled_NP.clip(0, 1)))
    classifier.save(tmp_path / "run")
    loaded = DigitClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.predict_proba(scaled_NP), probabilities_NK)
    np.testing.assert_allclose(  # whatever other images are predicted with it
        loaded.predict_proba(scaled_NP[3:4]), probabilities_NK[3:4], atol=1e-5
    )
    bytes_are_bytes = classifier.predict_proba(test_NP)
    np.testing.assert_array_equal(bytes_are_bytes, classifier.predict_proba(test_NP / 255))


def test_some_digits_are_enough(pairs: tuple[Pair, Pair], tmp_path: Path) -> None:
    is_chosen_N = np.isin(pairs[0][1], (3, 7))
    images_NHW, texts_N = pairs[0][0][is_chosen_N], pairs[0][1][is_chosen_N].astype(str)
    some = DigitClassifier(**SMALL).fit(images_NHW, texts_N)
    assert some.classes_.tolist() == ["3", "7"]
    assert some.score(images_NHW, texts_N) > 0.9
    some.save(tmp_path / "run")
    loaded = DigitClassifier.load(tmp_path / "run")
    assert loaded.classes_.dtype == some.classes_.dtype
    probabilities_NK = loaded.predict_proba(images_NHW)
    np.testing.assert_array_equal(probabilities_NK, some.predict_proba(images_NHW))
    np.testing.assert_allclose(probabilities_NK.sum(axis=1), 1, rtol=1e-5)
    run = tenfold.load_run(tmp_path / "run")  # its digits are the digits
    assert np.isin(run.predict(images_NHW), (3, 7)).mean() > 0.9


def test_a_saved_classifier_is_a_run_without_an_evaluation(
    fitted: DigitClassifier, pairs: tuple[Pair, Pair], tmp_path: Path
) -> None:
    path = tmp_path / "run"
    fitted.save(path)
    assert not [*path.rglob("*.pkl")]
    run = tenfold.load_run(path)
    assert (
        repr(run)
        == f"<Run {path}: not evaluated>"
        == run._repr_html_().replace("&lt;", "<").replace("&gt;", ">")
    )
    assert [len(epoch) for epoch in run.read_losses()] == [12, 12]
    for call in (lambda: run.accuracy, lambda: tenfold.evaluate(run)):
        with pytest.raises(RunError, match="was trained without test images"):
            call()
    with pytest.raises(DataError, match="trained on arrays, which its folder does not keep"):
        tenfold.export_run(run)
    # What `fit` takes, `predict` takes.
    images_NHW = pairs[1][0][:5]
    labels_N = fitted.predict(images_NHW)
    assert fitted.predict(images_NHW.tolist()).tolist() == labels_N.tolist()
    assert fitted.predict(images_NHW[:, None]).tolist() == labels_N.tolist()
    with pytest.raises(RunError, match="the folder is not empty"):
        fitted.save(path)
    (path / "classifier.json").write_text('{"classes": [12], "dtype": "int64"}')
    with pytest.raises(RunError, match=r"classifier\.json: not valid: y: label 0, .*, is 12"):
        DigitClassifier.load(path)


def test_a_saved_classifier_is_complete_last(
    fitted: DigitClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, _: object) -> None:
        assert (path / "classifier.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("tenfold.workflow.fit.write_complete_state", fail)
    with pytest.raises(KeyboardInterrupt):
        fitted.save(tmp_path / "run")


def test_it_is_cloned_pickled_and_searched(
    fitted: DigitClassifier, pairs: tuple[Pair, Pair]
) -> None:
    images_NHW, labels_N = pairs[1][0], pairs[1][1]
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict(images_NHW), fitted.predict(images_NHW))
    assert b"torch.nn" not in pickle.dumps(fitted)
    with pytest.raises(ArrayError, match=r"largest value is 1\.0, but the earlier images were 0"):
        fitted.predict(images_NHW / 255)
    with pytest.raises(NotFittedError):
        clone(fitted).predict(images_NHW)
    model = tenfold.ModuleConfig(own_models.build_lazy)
    recipe = tenfold.Recipe(name="mine", summary="", model=model, epochs=1, batch_size=20)
    search = GridSearchCV(
        DigitClassifier(recipe, threads=1), {"learning_rate": [1e-7, 0.01]}, cv=2, refit=False
    )
    search.fit(images_NHW.reshape(-1, 784), labels_N)
    assert search.best_params_ == {"learning_rate": 0.01}
    classifier = DigitClassifier(**SMALL, learning_rate=0.02)
    scaled = make_pipeline(FunctionTransformer(lambda X: X / 255), classifier)
    assert cross_val_score(scaled, images_NHW, labels_N, cv=2).mean() > 0.2


@pytest.mark.parametrize(
    ("parameters", "X", "y", "error", "message"),
    [
        ({}, np.zeros((4, 64)), [0, 1, 2, 3], ArrayError, "X: the shape is"),
        ({}, np.full((4, 784), 9.0), [0, 1, 2, 3], ArrayError, "unclear which value is white"),
        ({}, np.full((4, 784), -1.0), [0, 1, 2, 3], ArrayError, "standardised pixels do not fit"),
        ({}, np.zeros((4, 784)), [7, 8, 9, 10], ArrayError, "label 3, counted from 0, is 10"),
        ({"recipe": "clasic"}, np.zeros((1, 784)), [0], RecipeError, "unknown recipe 'clasic'"),
        ({"epochs": 0}, np.zeros((1, 784)), [0], RecipeError, "--epochs must be"),
        ({"channels": (3,)}, np.zeros((1, 784)), [0], RecipeError, "no such field"),
    ],
)
def test_wrong_input_is_one_line(
    parameters: Any, X: Any, y: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        DigitClassifier(**parameters).fit(X, y)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_its_parameters_are_the_fields_of_recipes() -> None:
    """Those that are left out need MNIST itself or images set aside, or are for reading."""
    names = set(inspect.signature(DigitClassifier).parameters)
    names -= {"recipe", "seed", "threads", "device"}
    left_out = {"scenes", "rejects", "calibrates", "leave_out_mislabelled"}
    assert names | left_out == set(list_fields())


def test_importing_it_does_not_import_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not close_over_imports("tenfold.sklearn") & {"torch", "matplotlib"}
    monkeypatch.delitem(sys.modules, "tenfold.sklearn")
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tenfold\[sklearn\]'"):
        import tenfold.sklearn  # noqa: F401
