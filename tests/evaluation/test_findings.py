import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from made_studies import build_evaluation
from tenfold.evaluation.findings import build_findings, find_blank_images
from tenfold.evaluation.metrics import measure_epoch_losses
from tenfold.runs.results import CorrectedAccuracy, EpochLoss, Evaluation, Finding
from tenfold.system.json_types import from_json, to_json

NUM_IMAGES_PER_CLASS = 1000
Mistakes = dict[tuple[int, int], int]  # (label, predicted) to count


def evaluate(mistakes: Mistakes, **changes: Any) -> Evaluation:
    """The evaluation of 1,000 images of each digit with these mistakes, after a JSON round trip."""
    labels = np.repeat(np.arange(10, dtype=np.uint8), NUM_IMAGES_PER_CLASS)
    predicted = labels.astype(np.int64)
    for (label, other), count in mistakes.items():
        free = np.flatnonzero((labels == label) & (predicted == label))
        predicted[free[:count]] = other
    evaluation = build_evaluation(labels, predicted, np.ones(len(labels)))
    changed = dataclasses.replace(evaluation, **changes)
    return from_json(Evaluation, json.loads(json.dumps(to_json(changed))))


def find_one(name: str, evaluation: Evaluation) -> Finding:
    [finding] = [finding for finding in build_findings(evaluation) if finding.name == name]
    return finding


def list_names(evaluation: Evaluation) -> list[str]:
    return [finding.name for finding in build_findings(evaluation)]


CORRECTED = CorrectedAccuracy(
    num_images=9995,
    num_correct=9800,
    accuracy=9800 / 9995,
    accuracy_interval=(0.9776, 0.9830),
    contested_among_misclassified=(947, 2130, 9729),
    given_the_corrected_label=(947, 9729),
)
MISTAKES: Mistakes = {(9, 4): 60, (9, 7): 20, (9, 5): 5, (9, 0): 1, (7, 2): 30, (3, 5): 10}


def test_findings_are_complete_and_in_order() -> None:
    findings = build_findings(evaluate(MISTAKES, corrected=CORRECTED))
    assert [finding.name for finding in findings] == [
        "accuracy",
        "over_97_percent",
        "hardest_class",
        "last_epoch",
        "contested_labels",
    ]
    assert json.loads(json.dumps(to_json(findings)))
    for finding in findings:
        assert finding.question.endswith("?")
        assert finding.sentence.endswith(".")
        assert "nan" not in finding.sentence


def test_other_images_get_no_findings_about_mnist() -> None:
    evaluation = evaluate(MISTAKES, is_mnist=False)
    assert list_names(evaluation) == ["accuracy", "hardest_class", "last_epoch"]
    assert "exercise" not in json.dumps(to_json(build_findings(evaluation)))
    finding = find_one("hardest_class", evaluation)
    assert finding.question == "Which class is misclassified most?"
    assert finding.sentence.startswith("The class 9 has")


def test_a_single_epoch_has_no_finding_about_the_last() -> None:
    evaluation = evaluate(MISTAKES, epochs=measure_epoch_losses([[0.5, 0.4]]))
    assert "last_epoch" not in list_names(evaluation)


# --- accuracy


@pytest.mark.parametrize(
    ("part", "images"),
    [("test", "10,000 test images"), ("validation", "10,000 held-out validation images")],
)
def test_the_accuracy_has_counts_and_an_interval(part: str, images: str) -> None:
    finding = find_one("accuracy", evaluate(MISTAKES, part=part))
    assert finding.answer == "98.74 %"
    for fact in (f"9,874 of {images}", "98.74 %", "98.50 to 98.94 %", "126"):
        assert fact in finding.sentence


@pytest.mark.parametrize(
    ("num_errors", "answer", "fact"),
    [
        (200, "yes", "98.00 %, is over 97 %. The whole 95 % confidence interval lies above"),
        (290, "yes", "97.10 %, is over 97 %. The 95 % confidence interval includes 97 %"),
        (300, "no", "97.00 %, is not over 97 %. The 95 % confidence interval includes 97 %"),
        (400, "no", "96.00 %, is not over 97 %. The whole 95 % confidence interval lies below"),
    ],
)
def test_the_claimed_accuracy_is_judged_by_the_interval(
    num_errors: int, answer: str, fact: str
) -> None:
    finding = find_one("over_97_percent", evaluate({(1, 2): num_errors}))
    assert finding.answer == answer
    assert fact in finding.sentence


# --- the hardest class


@pytest.mark.parametrize(
    ("mistakes", "answer", "facts"),
    [
        (
            MISTAKES,
            "9",
            [
                "86 of 1,000, 8.60 % (95 % CI 7.02 to 10.50 %)",
                "mistaken for 4 (60×), 7 (20×) and 5 (5×).",
                "from every other digit is significant",
                "named 7, which is number 2 of 10 here, with 3.00 %.",
            ],
        ),
        (
            {(9, 4): 40, (8, 3): 35, (2, 7): 30, (7, 2): 5},
            "9, but not significantly",
            [
                "mistaken for 4 (40×).",
                "from 8 (3.50 %) and 2 (3.00 %) is not significant",
                "number 4 of 10 here, with 0.50 %.",
            ],
        ),
        ({(7, 2): 50, (3, 5): 5}, "7", ["exercise named 7, too."]),
        ({}, "none", ["No digit was misclassified."]),
    ],
)
def test_the_hardest_digit_is_compared_with_the_others(
    mistakes: Mistakes, answer: str, facts: list[str]
) -> None:
    finding = find_one("hardest_class", evaluate(mistakes))
    assert finding.question == "Which digit is misclassified most?"
    assert finding.answer == answer
    for fact in facts:
        assert fact in finding.sentence


# --- the last epoch


def build_epochs(mean_before: float, mean_last: float, deviation: float) -> list[EpochLoss]:
    """Four epochs of 100 batches, the last two with these means."""
    return [
        EpochLoss(epoch=epoch, num_batches=100, mean_loss=mean, standard_deviation=deviation)
        for epoch, mean in enumerate([1.0, 0.9, mean_before, mean_last], start=1)
    ]


@pytest.mark.parametrize(
    ("before", "last", "answer", "change"),
    [
        # The interval of the difference is 1.96 * 0.02 * sqrt(2 / 100) on either side.
        (0.0400, 0.0300, "the loss was still falling", "(-25 %; -0.0100 ± 0.0055"),
        (0.4000, 0.3000, "the loss was still falling", "(-25 %; -0.1000 ± 0.0055"),
        (0.4000, 0.3920, "the loss hardly changed", "(-2 %; -0.0080 ± 0.0055"),
        (0.0400, 0.0352, "unclear", "(-12 %; -0.0048 ± 0.0055"),
        (0.0400, 0.0440, "unclear", "(+10 %; +0.0040 ± 0.0055"),
        (0.0400, 0.0500, "the loss was rising", "(+25 %; +0.0100 ± 0.0055"),
    ],
)
def test_the_last_epoch_is_judged_by_the_interval_of_its_change(
    before: float, last: float, answer: str, change: str
) -> None:
    epochs = build_epochs(before, last, 0.0200)
    finding = find_one("last_epoch", evaluate(MISTAKES, epochs=epochs))
    assert finding.question == "Were 4 epochs enough?"
    assert finding.answer == answer
    assert f"From epoch 3 to 4 the mean training loss went from {before:.4f} to {last:.4f}" in (
        finding.sentence
    )
    assert change in finding.sentence


def test_a_single_batch_per_epoch_leaves_the_last_epoch_unclear() -> None:
    epochs = [dataclasses.replace(epoch, num_batches=1) for epoch in build_epochs(0.4, 0.3, 0.0)]
    finding = find_one("last_epoch", evaluate(MISTAKES, epochs=epochs))
    assert finding.answer == "unclear"
    assert "one batch per epoch" in finding.sentence


def test_a_loss_of_zero_is_not_divided_by() -> None:
    evaluation = evaluate(MISTAKES, epochs=build_epochs(0.0, 0.0, 0.0))
    assert find_one("last_epoch", evaluation).answer == "the loss hardly changed"


# --- warnings


def test_diverged_training_gets_a_warning() -> None:
    bad = {"accuracy": 0.2, "epochs": measure_epoch_losses([[2.3, 2.2], [4000.0, 5000.0]])}
    finding = find_one("no_learning", evaluate(MISTAKES, **bad))
    assert "4,500" in finding.sentence
    assert "20.00 %" in finding.sentence
    assert "no_learning" not in list_names(evaluate(MISTAKES, **bad | {"accuracy": 0.97}))
    settled = measure_epoch_losses([[2.3, 2.2]])
    assert "no_learning" not in list_names(evaluate(MISTAKES, **bad | {"epochs": settled}))


def test_blank_images_get_a_warning() -> None:
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    images[1] = 200
    [finding] = find_blank_images(images)
    assert "All 3 evaluated images are blank" in finding.sentence
    images[2, 4, 5] = 1
    assert find_blank_images(images) == ()


def test_a_single_class_gets_a_warning_and_is_not_compared() -> None:
    evaluation = evaluate({(9, 4): 40}, is_mnist=False)
    assert "single_class" not in list_names(evaluation)
    nines = dataclasses.replace(evaluation, classes=evaluation.classes[-1:])
    assert "have the label 9" in find_one("single_class", nines).sentence
    finding = find_one("hardest_class", nines)
    assert finding.answer == "9"
    assert finding.sentence.endswith("mistaken for 4 (40×).")


# --- disputed labels


def test_mistakes_with_disputed_labels_are_listed() -> None:
    finding = find_one("contested_labels", evaluate(MISTAKES, corrected=CORRECTED))
    assert finding.answer == "2"
    for fact in (
        "3 of the 126 misclassified images are among the 15 test images",
        "(947, 2130, 9729); 2 of them",
        "98.05 % (95 % CI 97.76 to 98.30 %, n = 9,995)",
    ):
        assert fact in finding.sentence
    corrected = dataclasses.replace(
        CORRECTED, contested_among_misclassified=(), given_the_corrected_label=()
    )
    finding = find_one("contested_labels", evaluate(MISTAKES, corrected=corrected))
    assert finding.answer == "0"
    assert finding.sentence.startswith("None of the 126 misclassified images is among the 15")
