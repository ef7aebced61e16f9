"""Standard output, which somebody else may stop reading."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

Arguments = ParamSpec("Arguments")


def while_read(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """A command that writes to standard output: its exit code is 0 where whoever reads that has seen enough."""

    @functools.wraps(command)
    def run(*arguments: Arguments.args, **options: Arguments.kwargs) -> int:
        try:
            return command(*arguments, **options)
        except BrokenPipeError:
            # Python would complain of it once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    return run
