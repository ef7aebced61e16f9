"""The methods of the console port that can be called over the socket, read by their own signatures.

All coroutines, and `snapshot` for callers such as `anomaly-tui status` that need nothing else.
"""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec

from services.attach.protocol import decoder
from services.console.port import ConsolePort


class Method:
    """How the arguments and the result of one method are read; both raise msgspec.MsgspecError."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        hints = get_type_hints(function)
        returned = hints.pop("return")
        fields: list[Any] = []
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            required = parameter.default is inspect.Parameter.empty
            typed = (parameter.name, hints[parameter.name])
            fields.append(typed if required else (*typed, parameter.default))
        self._arguments = decoder(msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True))
        self._result = decoder(returned)
        self.decides = "by" in hints
        """Whether it is done in somebody's name."""

    def arguments(self, encoded: msgspec.Raw) -> dict[str, Any]:
        """The decoded arguments, by name."""
        return msgspec.structs.asdict(self._arguments.decode(encoded))

    def result(self, encoded: msgspec.Raw) -> Any:
        """The decoded result."""
        return self._result.decode(encoded)


METHODS = {
    name: Method(name, function)
    for name, function in vars(ConsolePort).items()
    if inspect.iscoroutinefunction(function) or name == "snapshot"
}
