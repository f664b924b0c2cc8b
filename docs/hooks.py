"""Steps of the site's build beside MkDocs' plugins.

Links from docs/ into the repository, and what Cyclopts writes of the command line.
"""

import logging
import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOG = logging.getLogger("mkdocs.hooks.tenfold")  # below "mkdocs": strict builds fail on a warning
LINK_OUT = re.compile(r"\[([^\]]*)\]\((\.\./[^)#\s]*)(#[^)\s]*)?\)")
NOISE = re.compile(r" \*\[default: (?:False|\(\))\]\*")  # of flags that are off, and of empty lists
REPEATED_VERB = re.compile(r"^tenfold (\w+) \1\b", re.MULTILINE)


def on_config(config: Any) -> None:  # noqa: ANN401
    """Import the commands, which are loaded lazily, so that their list says what each does."""
    from tenfold.cli.app import app

    for verb in app:
        app[verb]


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:  # noqa: ANN401
    """Point links that leave docs/ at the repository, or make them plain text if it has no URL.

    A link to a file that is not there is a warning.
    """

    def replace(link: re.Match[str]) -> str:
        text, target = link[1], link[2]
        path = Path(os.path.normpath(Path(page.file.abs_src_path).parent / target))
        if not path.exists():
            LOG.warning("%s: link to %s, which does not exist", page.file.src_uri, target)
        if not config.repo_url:
            return text
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path.relative_to(ROOT)})"

    if page.file.src_uri == "commands.md":
        # Cyclopts puts the command before usage lines that have it already.
        markdown = NOISE.sub("", REPEATED_VERB.sub(r"tenfold \1", markdown))
    return LINK_OUT.sub(replace, markdown)
