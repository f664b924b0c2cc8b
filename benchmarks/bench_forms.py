"""How well and how fast filled-in forms are read: drawn sheets, scanned and photographed.

    python benchmarks/bench_forms.py --sheets 10

Each sheet has another writer's pen, slope, light and compression. The digits are MNIST's test
digits, which the bundled networks were not trained on. Other versions of a form, which differ from
it by a row, a compartment or a title, must be refused.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from form_images import (
    Canvas,
    Pixels,
    build_form,
    draw_customer_form,
    draw_exam_form,
    draw_sheets,
    fill,
    paint,
    scan,
)
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.errors import FormError
from tenfold.forms.batch import read_sheets
from tenfold.forms.form import Form
from tenfold.forms.reference import load_reference
from tenfold.forms.registration import register
from tenfold.forms.result import FormReading
from tenfold.system.machine import count_cores

SEED = 20261129
FORMS = {"exam": draw_exam_form, "order": draw_customer_form}
NUM_VERSIONS = 5  # sheets of each other version


def main() -> None:
    """Draw, read, and print counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheets", type=int, default=10, help="of each form, by scan and by photo")
    parser.add_argument("--processes", type=int, default=None)
    options = parser.parse_args()
    test = load_part(None, "test")
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in FORMS.items():
            canvas = draw()
            form = build_form(canvas, Path(folder), name)
            for photos in (False, True):
                kind = "photo" if photos else "scan"
                random = np.random.default_rng((SEED, len(name), photos))
                drawn = list(draw_sheets(canvas, test, random, options.sheets, photos=photos))
                paths = [Path(folder, f"{name}-{kind}-{i}.jpg") for i in range(len(drawn))]
                for path, (pixels_HWC, _) in zip(paths, drawn, strict=True):
                    Image.fromarray(pixels_HWC).save(path, quality=92)
                started, cpu_started = time.perf_counter(), measure_cpu()
                sheets = [
                    sheet for _, sheet in read_sheets(paths, form, processes=options.processes)
                ]
                seconds = time.perf_counter() - started
                print(f"{name}, {kind}s of {drawn[0][0].shape[1]} x {drawn[0][0].shape[0]} pixels")
                count(form, sheets, [values for _, values in drawn])
                each = (measure_cpu() - cpu_started) / len(sheets)
                print(
                    f"  {60 * len(sheets) / seconds:.0f} sheets a minute on "
                    f"{options.processes or count_cores()} cores, with all else that runs there; "
                    f"{each:.1f} s of processor time for each, starting included"
                )
        refuse_others(Path(folder), test)


def measure_cpu() -> float:
    """Seconds of processor time of this process and of those that it started and that ended."""
    return sum(os.times()[:4])


def count(form: Form, sheets: list[FormReading], written: list[dict[str, str]]) -> None:
    """Print how many fields of each kind are right, sure, and both."""
    totals: Counter[tuple[str, str]] = Counter()
    num_refused = num_misplaced = 0
    for sheet, values in zip(sheets, written, strict=True):
        num_refused += not sheet.fields
        for field, one in zip(form.fields, sheet.fields, strict=False):
            kind = "combs" if field.digits else "cells" if field.kind == "digits" else field.kind
            is_right = one.value == values[one.name]
            for total in (kind, "all"):
                totals[total, "fields"] += 1
                totals[total, "right"] += is_right
                totals[total, "sure"] += one.is_sure
                totals[total, "sure, right"] += one.is_sure and is_right
            others = {value for name, value in values.items() if name != one.name}
            is_long = len(one.value) > 1
            num_misplaced += one.is_sure and not is_right and is_long and one.value in others
    for total in dict.fromkeys(each for each, _ in totals):
        num, right, sure, both = (
            totals[total, what] for what in ("fields", "right", "sure", "sure, right")
        )
        print(
            f"  {total:<8} {num:5} fields, {100 * right / num:.1f} % right; "
            f"{100 * sure / num:.1f} % sure, of these {100 * both / max(1, sure):.2f} % right"
        )
    print(f"  refused: {num_refused}; sure with the value of another field: {num_misplaced}")


def refuse_others(folder: Path, test: LabelledImages) -> None:
    """Print how many sheets of other versions of a form are refused."""
    reference = load_reference(build_form(_draw_version(), folder, "version"))
    turns: dict[str, Callable[[Pixels], Pixels]] = {
        "itself": lambda pixels: pixels,
        "itself, upside down": lambda pixels: pixels[::-1, ::-1],
        "itself, on its side": np.rot90,
        "its mirror image": lambda pixels: pixels[:, ::-1],
        "its upper 55 %": lambda pixels: pixels[: round(0.55 * len(pixels))],
        "its lower 70 %": lambda pixels: pixels[round(0.3 * len(pixels)) :],
    }
    versions = {
        "a table a row further down": _draw_version(down=13),
        "a table a column further right": _draw_version(right=17),
        "a table without its last row": _draw_version(rows=11),
        "a comb one compartment further right": _draw_version(comb=6.5),
        "another title": _draw_version(title="Oral examination: list of participants"),
    }
    cases = [(name, _draw_version(), turn) for name, turn in turns.items()]
    cases += [(name, canvas, turns["itself"]) for name, canvas in versions.items()]
    print("another version of the form, or a part of it: sheets that are refused")
    for name, canvas, turn in cases:
        refused = 0
        for number in range(NUM_VERSIONS):
            random = np.random.default_rng((SEED, number))
            ink_HW, _ = fill(canvas, test, random, 0.2)
            pixels_HWC = scan(paint(canvas.print_HW, ink_HW, random), random)
            try:
                register(reference, np.ascontiguousarray(turn(pixels_HWC)))
            except FormError:
                refused += 1
        print(f"  {name:<38} {refused} of {NUM_VERSIONS}")


def _draw_version(
    *,
    down: float = 0,
    right: float = 0,
    rows: int = 12,
    comb: float = 0,
    title: str = "Written examination: record of marks",
) -> Canvas:
    canvas = Canvas(150 / 25.4)
    canvas.write(20, 14, title, 6)
    canvas.write(20, 23, "One sheet for each student. Write digits into the boxes, in ink.", 3)
    canvas.comb("student_id", 20 + comb, 38, 7, "Student number")
    canvas.table(40 + right, 72 + down, rows, 4, (17, 13))
    canvas.write(20, 280, "Faculty of Science, form 27-B", 2.8)
    return canvas


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
