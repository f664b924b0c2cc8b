"""`tenfold.audit` and `tenfold.audit_labels`.

Torch and Matplotlib are imported when a call needs them.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenfold.auditing.audit import Classify, measure_audit
from tenfold.auditing.labels import find_suspect_labels
from tenfold.auditing.not_digits import load_not_digits
from tenfold.auditing.results import Audit, LabelAudit
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages, Part, load_evaluated
from tenfold.errors import DataError, ModelError, RunError, StudyError
from tenfold.reading.digit_classifier import BATCH_SIZE, BUNDLED_MODEL, Classifier, load_classifier
from tenfold.recipes.catalogue import build_display_name
from tenfold.runs.config import SEEDS
from tenfold.runs.folder import Run, load_run
from tenfold.runs.listing import describe
from tenfold.studies.study import STUDY, Study, load_study
from tenfold.system.files import write_file, write_json
from tenfold.training.threads import setting_threads
from tenfold.workflow.arguments import check_integer, get_run_path, require_train_extra
from tenfold.workflow.images import Data, reload_evaluated

AUDIT, PAGE = "audit.json", "audit.html"
BUNDLED_NAME = "reader"  # stands for the bundled reader's model, unless there is a file or folder
NUM_IMAGES = range(100, 10_000_001)


@dataclass(frozen=True)
class _Audited:
    """What is audited: its name, a function that classifies, and the images it is evaluated on."""

    name: str
    classify: Classify
    evaluated: LabelledImages
    is_holdout: bool
    class_names: tuple[str, ...] = ()


def audit(
    run: str | Path | Run,
    *,
    not_digits: Sequence[str | Path] = (),
    images: int | None = None,
    seed: int = 0,
    data: Data | None = None,
    out: str | Path | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Audit:
    """Measure what a digit classifier's answers are worth.

    Its accuracy, its errors on corrupted images, the calibration of its probabilities, risk against
    coverage, how it tells digits from other images, and conformal prediction sets. `run` is a run,
    an ONNX file of `export_run`, or "reader" for the bundled reader's digit network. A hold-out run
    is audited on its hold-out; the test images are not opened.

    `not_digits` are folders of images without digits; the default ones are left out for a run with
    names of classes, which are not digits. `images` audits the first so many images only. `seed`
    decides the corruption and the halves. `data` is the folder of the run's data, if it has moved,
    or the run's arrays. audit.json and audit.html are written to `out`, by default the folder of
    the run; for an ONNX file they are not written without `out`. `on_progress` is called with the
    name of what is measured next.

    Raises RunError or ModelError if there is no run or model, DataError for images that cannot be
    used, RecipeError for numbers out of range.
    """
    require_train_extra()
    seed = check_integer("--seed", seed, SEEDS)
    num = None if images is None else check_integer("--images", images, NUM_IMAGES)
    audited = _open(run, data)
    # Before the long part, so that a wrong folder is noticed at once.
    whole, folder = audited.evaluated, _choose_folder(run, out)
    sources = load_not_digits(
        [Path(each) for each in not_digits],
        seed,
        own=("train" if audited.is_holdout else "test", whole.checksums[0]),
        with_default=not audited.class_names,
    )
    kept = whole if num is None else whole.select(np.arange(min(num, len(whole))))
    part = "validation" if audited.is_holdout else "test"
    is_mnist = whole.checksums == MNIST_CHECKSUMS["train" if audited.is_holdout else "test"]
    found = measure_audit(
        audited.classify,
        kept,
        {name: images_NHW[:num] for name, images_NHW in sources.items()},
        model=audited.name,
        part=part,
        is_mnist=is_mnist,
        is_whole=len(kept) == len(whole),
        seed=seed,
        report=on_progress or (lambda _: None),
    )
    if folder is not None:
        from tenfold.reports.audit_report import build_audit_page

        write_json(folder / AUDIT, found)
        write_file(
            folder / PAGE,
            build_audit_page(found, kept, _build_command(run, not_digits, num, seed, data, out)),
        )
    return found


def audit_labels(study: str | Path | Study, *, data: str | Path | None = None) -> LabelAudit:
    """The labels that are probably wrong: those that most runs of a study contradict.

    They are ranked by how many runs contradict them and how confidently, and compared with the
    published label errors of MNIST. Only images that no run was trained on are judged: those of the
    test part, or of the hold-out. `data` is the folder of the study's data, if it has moved.

    Raises StudyError if there is no study of at least two runs, DataError for data that cannot be
    read or are not the study's.
    """
    listed = None if isinstance(study, Study) else describe(Path(study))
    if listed is not None and listed.kind == "run":
        raise StudyError(f"{study}: is a run; --labels takes a study, as `tenfold study` makes")
    opened = study if isinstance(study, Study) else load_study(study)
    evaluated = reload_evaluated(opened.config, f"the study {opened.path}", data)
    return find_suspect_labels(opened, evaluated)


def _open(run: str | Path | Run, data: Data | None) -> _Audited:
    path = get_run_path(run)
    if str(run) == BUNDLED_NAME and not path.exists():
        return _open_model(BUNDLED_MODEL, "reader (bundled)", data)
    if path.suffix == ".onnx" or path.is_file():
        if not path.exists():
            raise ModelError(f"{path}: no such file; `tenfold export` writes one")
        return _open_model(path, path.name, data)
    if (path / STUDY).is_file():
        raise RunError(f"{path}: is a study; audit one of its runs, or its labels with --labels")
    return _open_run(load_run(path), data)


def _open_run(run: Run, data: Data | None) -> _Audited:
    from tenfold.models.predict import compute_logits
    from tenfold.workflow.evaluate import load_model

    run.check_evaluated()  # it has no checksums of test images, by which to know them
    config = run.config
    evaluated = reload_evaluated(config, f"the run {run.path}", data)
    model = load_model(config.recipe, config.seed, run.weights_path, config.versions)

    def classify(images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with setting_threads(config.threads):
            return compute_logits(model, images_NHW)

    name = f"{build_display_name(config.recipe)}, seed {config.seed}"
    return _Audited(name, classify, evaluated, config.holdout, config.class_names)


def _open_model(path: Path, name: str, data: Data | None) -> _Audited:
    if not isinstance(data, str | Path | None):
        raise ModelError(f"{path}: name the folder of its images; only a run can be of arrays")
    classifier = load_classifier(path)
    part: Part = "train" if classifier.card.get("holdout") is True else "test"
    try:
        images_sha256, labels_sha256 = classifier.card["checksums"][part]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: does not say which {part} images it was evaluated on") from error
    if data is None and (images_sha256, labels_sha256) != MNIST_CHECKSUMS[part]:
        raise DataError(
            f"{path}: was not evaluated on MNIST; name the folder of its data with --data"
        )
    evaluated = load_evaluated(
        None if data is None else Path(data),
        holdout=part == "train",
        checksums=(images_sha256, labels_sha256),
        owner=f"the model {path}",
    )
    if part == "train" and classifier.card.get("num_images") != len(evaluated):
        raise ModelError(
            f"{path}: was made by an earlier version, with another hold-out, and trained on images "
            "that are held out now; train it again"
        )
    names = tuple(classifier.card.get("class_names", ()))
    return _Audited(
        name, lambda images: _classify(classifier, images), evaluated, part == "train", names
    )


def _classify(classifier: Classifier, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The logits, divided by the calibration's temperature."""
    firsts = range(0, len(images_NHW), BATCH_SIZE)
    return np.concatenate([classifier.run(images_NHW[i : i + BATCH_SIZE]) for i in firsts])


def _choose_folder(run: str | Path | Run, out: str | Path | None) -> Path | None:
    if out is not None:
        if Path(out).exists() and not Path(out).is_dir():
            raise RunError(f"{out}: is a file; --out takes a folder")
        return Path(out)
    path = get_run_path(run)
    return path if path.is_dir() else None


def _build_command(
    run: str | Path | Run,
    not_digits: Sequence[str | Path],
    images: int | None,
    seed: int,
    data: Data | None,
    out: str | Path | None,
) -> str:
    words = ["tenfold", "audit", str(get_run_path(run))]
    for folder in not_digits:
        words += ["--not-digits", str(folder)]
    words += [] if images is None else ["--images", str(images)]
    words += [] if seed == 0 else ["--seed", str(seed)]
    words += ["--data", str(data)] if isinstance(data, str | Path) else []
    words += [] if out is None else ["--out", str(out)]
    return shlex.join(words)
