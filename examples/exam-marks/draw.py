"""Draw the form of this example and three sheets that are filled in with digits of MNIST.

Run from the checkout, with the training extra: python examples/exam-marks/draw.py
"""

import sys
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "benchmarks"))

import form_images as drawing  # noqa: E402
from tenfold.data.mnist import load_part  # noqa: E402
from tenfold.forms.form import format_form  # noqa: E402

SEED = 2026
MAX_SIDE_PX = 1700
COMMENT = """The marks of an exam. Boxes are left, top, right, bottom, in millimetres.
expect is what may be written: #{1,2} is one or two digits."""


def main() -> None:
    """Write marks.png, marks.toml and the sheets, and what is written on them."""
    canvas = drawing.draw_exam_form()
    form = drawing.build_form(canvas, HERE, "marks")
    (HERE / "marks.toml").write_text(format_form(form, COMMENT))
    test = load_part(None, "test")
    rows = ["file," + ",".join(one.name for one in form.fields)]
    for number, photos in enumerate((False, False, True), 1):
        random = np.random.default_rng((SEED, number))
        [(pixels_HWC, values)] = drawing.draw_sheets(canvas, test, random, 1, photos=photos)
        scale = MAX_SIDE_PX / max(pixels_HWC.shape)
        small_HWC = cv2.resize(pixels_HWC, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        name = f"{'photo' if photos else 'scan'}-{number}.jpg"
        quality = [cv2.IMWRITE_JPEG_QUALITY, 55]
        cv2.imwrite(str(HERE / "sheets" / name), small_HWC[..., ::-1], quality)
        rows.append(f"{name}," + ",".join(values.values()))
    (HERE / "written.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
