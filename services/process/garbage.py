"""How Python looks for cyclic garbage in an engine.

Left alone, an eighth of the time of a busy engine went into walking objects that live as long as it does, and each
full walk held the event loop, the console with it, for a tenth of a second. (Python documentation, `gc.freeze`.)
"""

import gc

_YOUNG = 10_000
"""New containers after which the young ones are looked at: a batch of transactions makes thousands and drops them."""


def settle() -> None:
    """Take everything that is alive now for permanent: it is not walked again until `unsettle`."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *_USUAL[1:])


def unsettle() -> None:
    """Undo `settle`."""
    gc.unfreeze()
    gc.set_threshold(*_USUAL)


_USUAL = gc.get_threshold()
