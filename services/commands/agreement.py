"""A question at the terminal that is answered with yes or no."""

import signal

from rich.console import Console


def agreed(question: str, *, default: bool) -> bool:
    """What a person answers; `default` after Enter alone. Nobody, and who presses Ctrl-C, has not agreed."""
    console = Console(markup=False, highlight=False)
    # asyncio.run would take the first Ctrl-C for itself and leave the question standing.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while True:
            answer = console.input(f"{question} {'[Y/n]' if default else '[y/N]'} ").strip().lower()
            if answer in ("", "y", "yes", "n", "no"):
                return answer.startswith("y") if answer else default
            console.print("Answer yes or no.")
    except (EOFError, KeyboardInterrupt):
        console.print()
        return False
    finally:
        signal.signal(signal.SIGINT, before)
