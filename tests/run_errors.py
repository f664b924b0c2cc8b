"""The message of an expected RunError."""

from collections.abc import Callable

import pytest

from tenfold.errors import RunError


def catch_error(call: Callable[[], object]) -> str:
    """The message of the RunError that a call raises, which is one line."""
    with pytest.raises(RunError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message
