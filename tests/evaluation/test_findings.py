import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from made_studies import build_evaluation
from tenfold.evaluation.findings import find, find_blank, join_words, percent, percent_interval
from tenfold.evaluation.metrics import measure_epochs
from tenfold.runs.results import CorrectedAccuracy, EpochLoss, Evaluation, Finding
from tenfold.system.json_types import from_json, to_json

NUM_IMAGES_OF_CLASS = 1000
Mistakes = dict[tuple[int, int], int]  # (label, predicted) to how many


def evaluation_of(mistakes: Mistakes, **changes: Any) -> Evaluation:
    """The evaluation of 1,000 images of each digit with these mistakes, as JSON brings it back."""
    labels = np.repeat(np.arange(10, dtype=np.uint8), NUM_IMAGES_OF_CLASS)
    predicted = labels.astype(np.int64)
    for (label, other), count in mistakes.items():
        free = np.flatnonzero((labels == label) & (predicted == label))
        predicted[free[:count]] = other
    evaluation = build_evaluation(labels, predicted, np.ones(len(labels)))
    changed = dataclasses.replace(evaluation, **changes)
    return from_json(Evaluation, json.loads(json.dumps(to_json(changed))))


def find_one(name: str, evaluation: Evaluation) -> Finding:
    """The finding of that name."""
    [finding] = [one for one in find(evaluation) if one.name == name]
    return finding


def names_of(evaluation: Evaluation) -> list[str]:
    return [finding.name for finding in find(evaluation)]


CORRECTED = CorrectedAccuracy(
    num_images=9995,
    num_correct=9800,
    accuracy=9800 / 9995,
    accuracy_interval=(0.9776, 0.9830),
    contested_among_misclassified=(947, 2130, 9729),
    given_the_corrected_label=(947, 9729),
)
MISTAKES: Mistakes = {(9, 4): 60, (9, 7): 20, (9, 5): 5, (9, 0): 1, (7, 2): 30, (3, 5): 10}


def test_findings_are_json_with_every_part_filled() -> None:
    findings = find(evaluation_of(MISTAKES, corrected=CORRECTED))
    assert json.loads(json.dumps(to_json(findings)))
    for finding in findings:
        assert finding.question.endswith("?")
        assert finding.sentence.endswith(".")
        assert "nan" not in finding.sentence


def test_findings_come_in_the_order_of_the_questions() -> None:
    assert names_of(evaluation_of(MISTAKES, corrected=CORRECTED)) == [
        "accuracy",
        "over_97_percent",
        "hardest_class",
        "last_epoch",
        "contested_labels",
    ]


def test_of_other_images_nothing_is_said_that_only_mnist_bears_out() -> None:
    evaluation = evaluation_of(MISTAKES, is_mnist=False)
    assert names_of(evaluation) == ["accuracy", "hardest_class", "last_epoch"]
    assert "exercise" not in json.dumps(to_json(find(evaluation)))


def test_one_epoch_has_none_before_it() -> None:
    evaluation = evaluation_of(MISTAKES, epochs=measure_epochs([[0.5, 0.4]]))
    assert "last_epoch" not in names_of(evaluation)


# --- accuracy


def test_accuracy_is_told_with_its_counts() -> None:
    finding = find_one("accuracy", evaluation_of(MISTAKES))
    assert finding.answer == "98.74 %"
    assert finding.sentence == (
        "9,874 of 10,000 test images are classified as labelled, 98.74 % "
        "(95 % interval 98.50 to 98.94 %); 126 are not."
    )


def test_validation_images_are_told_as_such() -> None:
    sentence = find_one("accuracy", evaluation_of(MISTAKES, part="validation")).sentence
    assert "10,000 held-out validation images are classified" in sentence


@pytest.mark.parametrize(
    ("num_errors", "answer", "sentence"),
    [
        (
            200,
            "yes",
            "The accuracy is over 97 %, by 1.00 percentage points. "
            "The whole interval lies above 97 %, so this is more than the luck of the draw.",
        ),
        (
            290,
            "yes",
            "The accuracy is over 97 %, by 0.10 percentage points. "
            "The interval holds 97 %, so other images of the kind might decide otherwise.",
        ),
        (
            300,
            "no",
            "The accuracy is not over 97 %, by 0.00 percentage points. "
            "The interval holds 97 %, so other images of the kind might decide otherwise.",
        ),
        (
            400,
            "no",
            "The accuracy is not over 97 %, by 1.00 percentage points. "
            "The whole interval lies below 97 %.",
        ),
    ],
)
def test_97_percent_are_judged_with_the_interval(
    num_errors: int, answer: str, sentence: str
) -> None:
    finding = find_one("over_97_percent", evaluation_of({(1, 2): num_errors}))
    assert finding.answer == answer
    assert finding.sentence.startswith(sentence)
    assert finding.sentence.endswith("How it varies from seed to seed one run cannot tell.")


# --- the hardest class


def test_a_clearly_hardest_digit_is_named() -> None:
    finding = find_one("hardest_class", evaluation_of(MISTAKES))
    assert finding.question == "Which digit is misclassified most?"
    assert finding.answer == "9"
    assert finding.sentence == (
        "The digit 9 has the highest error rate: 86 of 1,000, 8.60 % "
        "(95 % interval 7.02 to 10.50 %), most often taken for 4 (60×), 7 (20×) and 5 (5×). "
        "The 95 % interval of its difference to every other lies above zero. "
        "The original exercise named 7, which here is number 2 of 10 with 3.00 %."
    )


def test_digits_that_cannot_be_told_apart_are_named_together() -> None:
    mistakes = {(9, 4): 40, (8, 3): 35, (2, 7): 30, (7, 2): 5}
    finding = find_one("hardest_class", evaluation_of(mistakes))
    assert finding.answer == "9, not clearly"
    assert (
        "most often taken for 4 (40×). On these 10,000 images it cannot be told apart from "
        "8 (3.50 %) and 2 (3.00 %): the 95 % interval of the difference holds zero."
    ) in finding.sentence
    assert finding.sentence.endswith("here is number 4 of 10 with 0.50 %.")


def test_seven_is_what_the_exercise_named() -> None:
    finding = find_one("hardest_class", evaluation_of({(7, 2): 50, (3, 5): 5}))
    assert finding.answer == "7"
    assert finding.sentence.endswith(" The original exercise named 7 too.")


def test_no_mistakes_leave_no_hardest_digit() -> None:
    finding = find_one("hardest_class", evaluation_of({}))
    assert finding.answer == "none"
    assert finding.sentence == "No digit was misclassified at all."


def test_other_images_have_classes_not_digits() -> None:
    finding = find_one("hardest_class", evaluation_of(MISTAKES, is_mnist=False))
    assert finding.question == "Which class is misclassified most?"
    assert finding.sentence.startswith("The class 9 has the highest error rate: 86 of 1,000")


# --- the last epoch


def epochs_of(mean_before: float, mean_last: float, deviation: float) -> list[EpochLoss]:
    """Four epochs of 100 batches, the last two with these means."""
    return [
        EpochLoss(epoch=epoch, num_batches=100, mean_loss=mean, standard_deviation=deviation)
        for epoch, mean in enumerate([1.0, 0.9, mean_before, mean_last], start=1)
    ]


@pytest.mark.parametrize(
    ("epochs", "answer", "sentence"),
    [
        # The interval of the difference: 1.96 * deviation * sqrt(2 / 100).
        (
            epochs_of(0.0400, 0.0300, 0.0200),
            "the loss still fell",
            "From epoch 3 to 4 the mean training loss went from 0.0400 to 0.0300 "
            "(-25 %, -0.0100 ± 0.0055), while single batches scatter by 0.0200. "
            "The training loss had not settled after 4 epochs.",
        ),
        (
            epochs_of(0.4000, 0.3000, 0.0200),
            "the loss still fell",
            "From epoch 3 to 4 the mean training loss went from 0.4000 to 0.3000 "
            "(-25 %, -0.1000 ± 0.0055), while single batches scatter by 0.0200. "
            "The training loss had not settled after 4 epochs.",
        ),
        (  # a fall beyond doubt, but a small one
            epochs_of(0.4000, 0.3920, 0.0200),
            "the loss hardly changed",
            "From epoch 3 to 4 the mean training loss went from 0.4000 to 0.3920 "
            "(-2 %, -0.0080 ± 0.0055), while single batches scatter by 0.0200. "
            "That is less than 5 %: by the training loss, another epoch like the last would change "
            "little.",
        ),
        (  # a large fall, but in doubt
            epochs_of(0.0400, 0.0352, 0.0200),
            "cannot be told",
            "From epoch 3 to 4 the mean training loss went from 0.0400 to 0.0352 "
            "(-12 %, -0.0048 ± 0.0055), while",
        ),
        (  # a rise in doubt
            epochs_of(0.0400, 0.0440, 0.0200),
            "cannot be told",
            "From epoch 3 to 4 the mean training loss went from 0.0400 to 0.0440 "
            "(+10 %, +0.0040 ± 0.0055), while",
        ),
        (
            epochs_of(0.0400, 0.0500, 0.0200),
            "the loss rose again",
            "From epoch 3 to 4 the mean training loss went from 0.0400 to 0.0500 "
            "(+25 %, +0.0100 ± 0.0055), while single batches scatter by 0.0200. "
            "The training loss rose in the last epoch; a smaller learning rate may help.",
        ),
    ],
)
def test_the_last_epoch_is_judged_by_its_fall_and_its_doubt(
    epochs: list[EpochLoss], answer: str, sentence: str
) -> None:
    finding = find_one("last_epoch", evaluation_of(MISTAKES, epochs=epochs))
    assert finding.question == "Were 4 epochs enough?"
    assert finding.answer == answer
    assert finding.sentence.startswith(sentence)


def test_one_batch_an_epoch_has_no_scatter_to_judge_by() -> None:
    epochs = [dataclasses.replace(epoch, num_batches=1) for epoch in epochs_of(0.4, 0.3, 0.0)]
    finding = find_one("last_epoch", evaluation_of(MISTAKES, epochs=epochs))
    assert finding.answer == "cannot be told"
    assert finding.sentence.endswith("With one batch an epoch its scatter is not known.")


def test_a_diverged_training_is_warned_of() -> None:
    bad = {"accuracy": 0.2, "epochs": measure_epochs([[2.3, 2.2], [4000.0, 5000.0]])}
    finding = find_one("no_learning", evaluation_of(MISTAKES, **bad))
    assert "4,500" in finding.sentence
    assert "20.00 %" in finding.sentence
    assert "no_learning" not in names_of(evaluation_of(MISTAKES, **bad | {"accuracy": 0.97}))
    settled = measure_epochs([[2.3, 2.2]])
    assert "no_learning" not in names_of(evaluation_of(MISTAKES, **bad | {"epochs": settled}))


def test_blank_images_are_warned_of() -> None:
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    images[1] = 200
    [finding] = find_blank(images)
    assert "All 3 evaluated images are blank" in finding.sentence
    images[2, 4, 5] = 1
    assert find_blank(images) == ()


def test_a_single_class_is_warned_of() -> None:
    evaluation = evaluation_of({(9, 4): 40}, is_mnist=False)
    assert "single_class" not in names_of(evaluation)
    nine = dataclasses.replace(evaluation, classes=evaluation.classes[-1:])
    assert "have the label 9" in find_one("single_class", nine).sentence


def test_a_single_class_is_compared_with_none() -> None:
    evaluation = evaluation_of({(9, 4): 40}, is_mnist=False)
    nine = [one for one in evaluation.classes if one.label == 9]
    finding = find_one("hardest_class", dataclasses.replace(evaluation, classes=tuple(nine)))
    assert finding.answer == "9"
    assert finding.sentence.endswith("most often taken for 4 (40×).")


def test_a_loss_of_zero_divides_nothing() -> None:
    evaluation = evaluation_of(MISTAKES, epochs=epochs_of(0.0, 0.0, 0.0))
    assert find_one("last_epoch", evaluation).answer == "the loss hardly changed"


# --- contested labels


def test_contested_mistakes_are_named() -> None:
    evaluation = evaluation_of(MISTAKES, corrected=CORRECTED)
    finding = find_one("contested_labels", evaluation)
    assert finding.answer == "2"
    assert finding.sentence == (
        "3 of the 126 misclassified images are among the 15 test images whose labels people "
        "contest (947, 2130, 9729); 2 of them got the label that a majority of five people "
        "chose. On the corrected labels (ten changed, five undecidable ones left out) the "
        "accuracy is 98.05 % (95 % interval 97.76 to 98.30 %, n = 9,995)."
    )


def test_no_contested_mistakes_are_told_too() -> None:
    corrected = dataclasses.replace(
        CORRECTED, contested_among_misclassified=(), given_the_corrected_label=()
    )
    finding = find_one("contested_labels", evaluation_of(MISTAKES, corrected=corrected))
    assert finding.answer == "0"
    assert finding.sentence.startswith(
        "None of the 126 misclassified images is among the 15 test images whose labels people "
        "contest. On the corrected labels"
    )


# --- words


def test_shares_become_percentages() -> None:
    assert percent(0.97816) == "97.82 %"
    assert percent(1.0, 0) == "100 %"
    assert percent_interval((0.975, 0.981), 1) == "97.5 to 98.1 %"


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_words_are_listed_as_english_does(words: list[str], expected: str) -> None:
    assert join_words(words) == expected
