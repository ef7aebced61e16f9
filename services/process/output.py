"""Standard output, which somebody else may stop reading."""

import os
import sys
from collections.abc import Callable


def while_read(work: Callable[[], int]) -> int:
    """The exit code of `work`, which writes to standard output; 0 where whoever reads it has seen enough."""
    try:
        return work()
    except BrokenPipeError:
        # Python would complain of it once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
