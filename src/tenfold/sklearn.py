"""A recipe as an estimator of scikit-learn.

    from tenfold.sklearn import DigitClassifier
    DigitClassifier("classic", epochs=3).fit(X, y).score(X_test, y_test)

PyTorch is imported when a classifier is fitted or predicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tenfold.data.arrays import read_images, read_labels
from tenfold.data.mnist import label_images
from tenfold.data.pixels import NUM_PIXELS, Scale, find_scale
from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES
from tenfold.errors import ArrayError, MissingExtraError, RunError, describe_install
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.recipe import Recipe, list_fields
from tenfold.runs.config import DEFAULT_THREADS
from tenfold.runs.folder import load_run
from tenfold.system.files import read_json
from tenfold.system.json_types import from_json
from tenfold.workflow.arguments import choose_recipe
from tenfold.workflow.fit import FittedModel, fit

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise MissingExtraError(
        f"scikit-learn 1.6 or later is not installed ({error}): {describe_install('sklearn')}"
    ) from error

CLASSIFIER = "classifier.json"  # in the folder of its run

DIGITS = tuple(range(NUM_CLASSES))
Images = Any  # as NumPy, pandas or scikit-learn have them
Labels = Any


@dataclass(frozen=True, kw_only=True)
class ClassifierFile:
    """What a saved classifier has beside its run: classes, names of features, scale of pixels."""

    classes: tuple[str | int | float, ...]
    dtype: str
    feature_names: tuple[str, ...] | None = None
    scale: Scale | None = None  # unknown for a run that was evaluated


class DigitClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # they have no types
    """Trains a recipe on images of digits, as an estimator of scikit-learn.

    `recipe` is a name or a Recipe. `seed`, `threads` and `device` are as in `tenfold.train`. The
    other parameters are fields of the recipe to change; None leaves the recipe's own. With the same
    images, seed, machine and threads the weights are those of `tenfold.train`, bit for bit.

    X is [N, 784] or [N, 28, 28], also with one channel, white on black, framed as MNIST's images
    are: whole numbers 0 to 255, booleans, or floats. In `fit`, floats are 0 to 1 if none is above
    1, otherwise 0 to 255; negative values and values above 255 are refused, and so is an X whose
    largest value lies between 1 (for floats, above 1) and 20, as it is unclear what is white.
    Standardised pixels do not fit. To predict, floats have the scale of the X of `fit`, and values
    outside it are clipped: a scaler such as MinMaxScaler makes them. Only the classifier of a run
    that `tenfold.train` made decides the scale of floats from each X.

    y has digits, as whole numbers 0 to 9 or as text ("7"); some may be missing. Probabilities are
    those of the digits in y, and not calibrated.

    `save` writes the folder of a run, without pickle, and `load` reads it, or that of any run. A
    fitted classifier can also be pickled; it holds no objects of PyTorch.

    Attributes: `classes_`, the labels in y; `n_features_in_`; `feature_names_in_` if X had names.
    """

    def __init__(
        self,
        recipe: str | Recipe = "classic",
        *,
        seed: int = 0,
        threads: int | None = None,
        device: str = "auto",
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: str | None = None,
        learning_rate: float | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        schedule: str | None = None,
        warmup: float | None = None,
        rotation_degrees: float | None = None,
        shift_px: float | None = None,
        scale: float | None = None,
        shear: float | None = None,
        elastic_px: float | None = None,
        stroke: float | None = None,
        corrupted_share: float | None = None,
        interpolation: str | None = None,
        clean_share: float | None = None,
        precision: str | None = None,
        hidden_sizes: Sequence[int] | None = None,
        channels: Sequence[int] | None = None,
        depths: Sequence[int] | None = None,
        first_kernel_px: int | None = None,
        first_stride_px: int | None = None,
        upright_px: int | None = None,
        columns: int | None = None,
        width: int | None = None,
        first_px: int | None = None,
        blocks: Sequence[int] | None = None,
        widths: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
    ) -> None:
        self.recipe = recipe
        self.seed = seed
        self.threads = threads
        self.device = device
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup = warmup
        self.rotation_degrees = rotation_degrees
        self.shift_px = shift_px
        self.scale = scale
        self.shear = shear
        self.elastic_px = elastic_px
        self.stroke = stroke
        self.corrupted_share = corrupted_share
        self.interpolation = interpolation
        self.clean_share = clean_share
        self.precision = precision
        self.hidden_sizes = hidden_sizes
        self.channels = channels
        self.depths = depths
        self.first_kernel_px = first_kernel_px
        self.first_stride_px = first_stride_px
        self.upright_px = upright_px
        self.columns = columns
        self.width = width
        self.first_px = first_px
        self.blocks = blocks
        self.widths = widths
        self.dilations = dilations

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Images, y: Labels) -> Self:
        """Train on images and their labels. Raises ArrayError (a ValueError) if they do not fit."""
        changes = {name: getattr(self, name, None) for name in list_fields()}
        recipe = choose_recipe(
            self.recipe, {name: value for name, value in changes.items() if value is not None}
        )
        X, y = validate_data(self, _flatten(X), y)
        if (X < 0).any():  # the first words are those that scikit-learn's checks expect
            raise ArrayError(
                "Negative values in data passed to X: pixels are 0 to 255, or 0 to 1 as floats; "
                "standardised pixels do not fit"
            )
        check_classification_targets(y)
        images_NHW = self._convert_images(X)
        self._scale: Scale | None = find_scale(X)
        self.classes_, positions_N = np.unique(y, return_inverse=True)
        self._digits_K = self._convert_classes(self.classes_)
        images = label_images(images_NHW, self._digits_K[positions_N])
        self._fitted = fit(recipe, images, seed=self.seed, threads=self.threads, device=self.device)
        return self

    def predict(self, X: Images) -> npt.NDArray[Any]:
        """The label of each image, [N]."""
        probabilities_NK = self.predict_proba(X)
        labels_N: npt.NDArray[Any] = self.classes_[probabilities_NK.argmax(axis=1)]
        return labels_N

    def predict_proba(self, X: Images) -> npt.NDArray[np.float32]:
        """The probability of each of the `classes_`, float32 [N, K], as training left it."""
        check_is_fitted(self)
        X = validate_data(self, _flatten(X), reset=False)
        images_NHW = self._convert_images(X, self._scale)
        return self._fitted.predict_proba(images_NHW, self._digits_K)

    def save(self, folder: str | Path) -> None:
        """Write the folder of a run, which `tenfold.load_run` and `tenfold.export_run` take too.

        It has no evaluation. Raises RunError if the folder is not empty.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        saved = ClassifierFile(
            classes=tuple(self.classes_.tolist()),
            dtype=self.classes_.dtype.str,
            feature_names=None if names is None else tuple(map(str, names)),
            scale=self._scale,
        )
        self._fitted.write(Path(folder), {CLASSIFIER: saved})

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The fitted classifier that `save` wrote, or that of any finished run.

        It has the recipe with all changes as one parameter. Raises RunError if there is no finished
        run.
        """
        run = load_run(folder)
        recipe, threads = run.config.recipe, run.config.threads
        loaded = cls(
            recipe.name if RECIPES.get(recipe.name) == recipe else recipe,
            seed=run.config.seed,
            threads=None if threads == DEFAULT_THREADS else threads,
        )
        file, saved = run.path / CLASSIFIER, ClassifierFile(classes=DIGITS, dtype="int64")
        try:
            if file.exists():
                saved = from_json(ClassifierFile, read_json(file))
            loaded.classes_ = np.array(saved.classes, dtype=saved.dtype)
            loaded._digits_K = loaded._convert_classes(loaded.classes_)
        except (ValueError, TypeError) as error:
            raise RunError(f"{file}: not valid: {error}") from error
        loaded._scale = saved.scale
        loaded.n_features_in_ = NUM_PIXELS
        if saved.feature_names is not None:
            loaded.feature_names_in_ = np.array(saved.feature_names, dtype=object)
        loaded._fitted = FittedModel.from_run(run)
        return loaded

    def _convert_images(
        self, X: npt.NDArray[Any], scale: int | None = None
    ) -> npt.NDArray[np.uint8]:
        return read_images(X, "X", scale=scale)

    def _convert_classes(self, classes_K: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        return read_labels(classes_K, "y")


def _flatten(X: Images) -> Images:
    """Images [N, 28, 28], also with one channel, as [N, 784], which scikit-learn's checks need."""
    if isinstance(X, list | tuple):
        try:
            X = np.asarray(X)
        except ValueError:  # of rows of different lengths; scikit-learn says so
            return X
    sizes = tuple(size for size in getattr(X, "shape", ())[1:] if size != 1)
    if sizes == (IMAGE_SIZE_PX, IMAGE_SIZE_PX):
        return np.asarray(X).reshape(len(X), -1)
    return X
