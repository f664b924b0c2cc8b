"""The code blocks of the README and of the pages for users, as tests run them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", *(f"docs/{name}.md" for name in ("reading", "training", "serving")))


def find_blocks(language: str, *pages: str) -> Iterator[str]:
    """The code blocks of a language, in the order of the pages."""
    for page in pages or PAGES:
        text = (ROOT / page).read_text()
        yield from re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def find_commands(program: str, *pages: str) -> list[str]:
    """The commands of a program in shell blocks, each once and without its comment."""
    blocks = "".join(find_blocks("(?:sh|console)", *pages))
    found = re.findall(rf"^(?:\$ )?({program}\b.*?)(?: +# .*)?$", blocks, re.MULTILINE)
    return list(dict.fromkeys(command.strip() for command in found))


def find_outputs() -> dict[str, str]:
    """What console blocks say that a command prints."""
    blocks = (block.partition("\n") for block in find_blocks("console"))
    return {command.removeprefix("$ "): output for command, _, output in blocks}


BLOCKS = list(find_blocks("python"))
