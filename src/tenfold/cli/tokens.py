"""Arguments of the command line before they are parsed."""

from tenfold.errors import TenfoldError

# Replaces a lone dash, which the parser takes for an option without a name. No file is called so.
STANDARD_INPUT = "\0-"


def prepare_tokens(tokens: list[str]) -> list[str]:
    """Replace the dash of `tenfold read -`.

    Raises TenfoldError for an empty argument, which as a path would mean the current folder.
    """
    for number, token in enumerate(tokens):
        is_empty_value = token.startswith("--") and token.endswith("=")
        if not token or is_empty_value:
            import shlex

            before = ["tenfold", *tokens[:number], *([token[:-1]] if is_empty_value else [])]
            raise TenfoldError(
                f"empty argument after `{shlex.join(before)}`; is a shell variable not set?"
            )
    if tokens[:1] == ["read"]:
        return [STANDARD_INPUT if token == "-" else token for token in tokens]
    return tokens
