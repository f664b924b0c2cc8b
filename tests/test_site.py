"""The documentation as a site, built as `make docs` builds it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import tenfold

ROOT = Path(__file__).parents[1]


def test_site_builds_and_loads_nothing_from_the_network(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    pages = {path.stem: path.read_text() for path in tmp_path.glob("*.html")}
    assert {path.stem for path in ROOT.glob("docs/*.md")} <= pages.keys()
    for name, page in pages.items():
        sources = re.findall(
            r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=\"?([^\">\s]+)", page
        )
        assert sources
        assert not [source for source in sources if re.match(r"(https?:)?//", source)], name
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", style.read_text()), style
    # Every public name and every command is documented.
    for name in tenfold.__all__:
        assert f'id="tenfold.{name}"' in pages["python"], name
    commands = re.findall(r"<h2 id=\"tenfold-(\w+)\"", pages["commands"])
    assert {"read", "train", "serve"} <= set(commands)
