"""The keys in force: those of the keymap, as the configuration changes them."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from textual.binding import Binding
from textual.keys import Keys as KnownKeys
from textual.keys import format_key

from services.errors import ConfigurationError
from tui import keymap

_MODIFIERS = re.compile(r"(?:(?:ctrl|alt|shift|super|meta|hyper)\+)+")
_NAMED = {key.value for key in KnownKeys}
_SHOWN = {
    "escape": "Esc",
    "enter": "Enter",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "down": "↓",
    "up": "↑",
    "tab": "Tab",
}
_HINTED = {"⏎": "enter", ",": "comma"} | {label: key for key, label in _SHOWN.items()}


def long_name(key: str) -> str:
    """The name of a key in bindings: `?` is `question_mark`. Raises ConfigurationError when there is no such key."""
    held = _MODIFIERS.match(key.strip())
    modifiers = held.group() if held else ""
    bare = key.strip().removeprefix(modifiers)
    # Textual takes a comma for the end of a key, so that one has to be a word before it gets there.
    name = "comma" if bare == "," else _split(bare)[0] if bare else ""
    if not (name in _NAMED or len(format_key(name)) == 1):
        raise ConfigurationError(f"[keys] {key}: there is no such key; write f, F, ?, space, f5 or ctrl+f.")
    return modifiers + name


def shown(key: str) -> str:
    """A key as a person would name it."""
    if key.startswith("ctrl+"):
        return f"^{shown(key.removeprefix('ctrl+'))}"
    return _SHOWN.get(key) or format_key(key)


def groups() -> dict[str, tuple[Binding, ...]]:
    """The groups of bindings, by their names in the keymap."""
    return {
        name: value
        for name, value in vars(keymap).items()
        if isinstance(value, tuple) and value and all(isinstance(part, Binding) for part in value)
    }


class Keys:
    """Which keys do what, by the ids of bindings.

    `configured` maps an id to a key, to several keys separated by commas, or to a list of keys. Every other binding
    keeps its keys from the keymap. Raises ConfigurationError for an id or a key that does not exist, and for a key
    that would do two things on one screen.
    """

    def __init__(self, configured: Mapping[str, str | Sequence[str]] | None = None) -> None:
        known = {binding.id: binding for bindings in groups().values() for binding in bindings if binding.id}
        self.changed: dict[str, str] = {}
        for action, keys in (configured or {}).items():
            if action not in known:
                close = difflib.get_close_matches(action, known, n=1)
                meant = f"did you mean {close[0]}?" if close else "help (?) names them all."
                raise ConfigurationError(f"[keys] {action}: there is no such action; {meant}")
            listed = keys if not isinstance(keys, str) else [keys] if keys == "," else keys.split(",")
            if not listed:
                raise ConfigurationError(f"[keys] {action}: name at least one key.")
            self.changed[action] = ",".join(map(long_name, listed))
        self._refuse_clashes()

    def of(self, binding: Binding) -> tuple[str, ...]:
        """The keys of a binding."""
        return _split(self.changed.get(binding.id or "") or binding.key)

    def shown(self, binding: Binding) -> str:
        """The keys of a binding as a person would name them."""
        return " ".join(map(shown, self.of(binding)))

    def hints(self, hints: Iterable[tuple[str, str]], bindings: Iterable[Binding]) -> tuple[tuple[str, str], ...]:
        """Hints with the keymap's keys replaced by the keys in force.

        Where two of the `bindings` have the same key, the first one counts.
        """
        changed: dict[str, str | None] = {}
        for binding in bindings:
            for key in _split(binding.key):
                changed.setdefault(key, self.of(binding)[0] if binding.id in self.changed else None)

        def hinted(word: str) -> str:
            key = changed.get(_HINTED.get(word) or _split(word)[0])
            return word if key is None else shown(key)

        return tuple((" ".join(map(hinted, words.split())), action) for words, action in hints)

    def hint_text(self, hints: Iterable[tuple[str, str]], bindings: Iterable[Binding]) -> str:
        """Hints with the keys in force, as one line of text."""
        return "  ".join(f"{key} {action}" for key, action in self.hints(hints, bindings))

    def _refuse_clashes(self) -> None:
        """Refuse a key that would do two things on one screen, except where the keymap itself gives it both."""
        places = groups()
        for name, bindings in places.items():
            together = bindings if name == "APP" else (*bindings, *places["APP"])
            holders: dict[str, list[Binding]] = defaultdict(list)
            for binding in together:
                for key in self.of(binding):
                    holders[key].append(binding)
            for key, held in holders.items():
                for one, other in combinations(held, 2):
                    intended = key in _split(one.key) and key in _split(other.key)
                    if one.id != other.id and not intended:
                        raise ConfigurationError(f"[keys] {shown(key)} would be both {one.id} and {other.id}.")


def _split(keys: str) -> tuple[str, ...]:
    """Each of the keys, by its long name."""
    return tuple(binding.key for binding in Binding.make_bindings([(keys, "", "")]))
