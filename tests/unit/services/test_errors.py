"""The one line a user reads of an error."""

from services.errors import reason_of


def test_an_error_without_words_is_called_by_its_name() -> None:
    assert reason_of(TimeoutError()) == "TimeoutError"


def test_an_error_speaks_for_itself() -> None:
    assert reason_of(OSError("disk full")) == "disk full"
