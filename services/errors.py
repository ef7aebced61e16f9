"""Errors whose message is the one line a user reads."""


class UserError(Exception):
    """Something the user can mend: shown as one line on stderr, without a traceback."""

    exit_code = 1


class ConfigurationError(UserError):
    """A setting that cannot be: nothing was started."""

    exit_code = 2


class PermanentError(UserError):
    """What a restart does not mend, so the supervisor does not try: the worker has failed at once."""


def reason_of(error: BaseException) -> str:
    """The error's message, or its class where it has none, as `TimeoutError()`."""
    return str(error) or type(error).__name__
