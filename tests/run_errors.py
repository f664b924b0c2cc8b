"""The message of an expected error."""

from collections.abc import Callable

import pytest

from tenfold.errors import RunError, TenfoldError


def catch_error(call: Callable[[], object], kind: type[TenfoldError] = RunError) -> str:
    """The message of the error that a call raises, which is one line."""
    with pytest.raises(kind) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message
