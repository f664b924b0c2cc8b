"""Compiles exported C code and runs it on images."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
MAIN = """
#include <stdint.h>
#include <stdio.h>

int digit_classify(const uint8_t pixels[784], int32_t scores[NUM_ANSWERS]);

int main(void)
{
    uint8_t pixels[784];
    int32_t answers[1 + NUM_ANSWERS];

    while (fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels) {
        answers[0] = digit_classify(pixels, answers + 1);
        fwrite(answers, sizeof answers[0], 1 + NUM_ANSWERS, stdout);
    }
    return 0;
}
"""


def require_program(name: str) -> str:
    """The path of a program; the test is skipped without it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def classify_in_c(
    code: str, images_NHW: npt.NDArray[np.uint8], folder: Path, *flags: str, num_answers: int = 10
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """What the function returns for each image, [N], and the scores, [N, K]."""
    (folder / "model.c").write_text(code)
    (folder / "main.c").write_text(MAIN.replace("NUM_ANSWERS", str(num_answers)))
    command = [require_program("gcc"), *STRICT, *flags, "main.c", "model.c", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run(
        [folder / "program"], input=images_NHW.tobytes(), capture_output=True, check=True
    )
    assert done.stderr == b""
    answers = np.frombuffer(done.stdout, np.int32).reshape(len(images_NHW), 1 + num_answers)
    return answers[:, 0], answers[:, 1:]
