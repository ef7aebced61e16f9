"""What keeps the web frontend from running."""

from services.errors import PermanentError


class FrontendError(PermanentError):
    """The web frontend cannot be had; the message says why and what to do."""
