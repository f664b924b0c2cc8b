"""Labels that are probably wrong: those that most runs of a study contradict."""

from collections import defaultdict

import numpy as np

from tenfold.auditing.results import FoundAtTop, LabelAudit, SuspectLabel
from tenfold.data.handwriting import find_held_out
from tenfold.data.label_errors import CONTESTED
from tenfold.data.mnist import MISLABELLED, LabelledImages
from tenfold.errors import StudyError
from tenfold.studies.study import Study

TOPS = (5, 10, 15, 20, 30, 50)
LEAST_RUNS = 2


def find_suspect_labels(study: Study, evaluated: LabelledImages) -> LabelAudit:
    """The evaluated images whose label more than half of the runs contradict, most suspect first.

    No run was trained on them. They are ranked by the mean over runs of the confidence in the most
    frequent wrong answer, 0 for a run that answers otherwise: the out-of-sample rule of confident
    learning (Northcutt, Jiang and Chuang 2021) with an average over runs for the probabilities.

    Raises StudyError for fewer than two runs.
    """
    num_runs = len(study.runs)
    if num_runs < LEAST_RUNS:
        raise StudyError(f"{study.path}: has {num_runs} runs; --labels needs at least {LEAST_RUNS}")
    answers: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in study.runs:
        for index, predicted, confidence in run.mistakes:
            answers[index][predicted].append(confidence)
    listed = _list_known(study)
    suspects = []
    for index, given in answers.items():
        answer, confidences = max(given.items(), key=lambda item: (len(item[1]), -item[0]))
        if 2 * sum(map(len, given.values())) <= num_runs:
            continue
        suspects.append(
            SuspectLabel(
                index=index,
                label=int(evaluated.labels_N[index]),
                answer=answer,
                share=len(confidences) / num_runs,
                confidence=sum(confidences) / len(confidences),
                is_listed=index in listed,
            )
        )
    suspects.sort(key=lambda each: (-each.share * each.confidence, each.index))
    return LabelAudit(
        study=study.name,
        part=study.config.part,
        num_runs=num_runs,
        num_images=study.config.num_evaluated,
        num_listed=len(listed),
        suspects=tuple(suspects),
        found=_compare(suspects, len(listed)) if listed else (),
    )


def _list_known(study: Study) -> frozenset[int]:
    """The known label errors among the evaluated images of MNIST, by index."""
    if not study.is_mnist:
        return frozenset()
    if not study.config.holdout:
        return CONTESTED
    held_out = np.flatnonzero(find_held_out())
    return frozenset(np.flatnonzero(np.isin(held_out, MISLABELLED)).tolist())


def _compare(suspects: list[SuspectLabel], num_listed: int) -> tuple[FoundAtTop, ...]:
    found = []
    for top in TOPS:
        if top > len(suspects):
            break
        num_found = sum(suspect.is_listed for suspect in suspects[:top])
        found.append(
            FoundAtTop(
                top=top,
                num_found=num_found,
                precision=num_found / top,
                recall=num_found / num_listed,
            )
        )
    return tuple(found)
