"""Where the API listens, and who may ask."""

import ipaddress
import re
from pathlib import Path
from typing import NamedTuple

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8787
LAST_PORT = 8797
"""When nobody named an address, the first free port from the default to this one is taken."""

_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")


class Address(NamedTuple):
    """A host name or IP address, and a port; 0 is any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine to itself, as far as that is known without asking a name server."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_of(text: str) -> Address:
    """The address that HOST:PORT or [IPV6]:PORT names. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets")
    if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("write off, or HOST:PORT such as 127.0.0.1:8787")
    return Address(host, int(port))


class Token(NamedTuple):
    """A secret that a caller sends as `Authorization: Bearer`, and whom it stands for."""

    name: str
    secret: str

    def __repr__(self) -> str:
        return f"Token(name={self.name!r}, secret='***')"


def tokens_of(text: str) -> tuple[Token, ...]:
    """The tokens of a file: one a line, `name:secret` or the secret alone; # begins a comment. Raises ValueError."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, secret = line.strip().partition(":")
        name, secret = (name, secret.strip()) if colon else ("token", name)
        if not _NAME.fullmatch(name):
            raise ValueError("a token's name has letters, digits and dashes, at most 32")
        if len(secret) < MIN_SECRET or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise ValueError(f"a token has at least {MIN_SECRET} characters, ASCII without spaces")
        found.append(Token(name, secret))
    if not found:
        raise ValueError("there is no token in it")
    return tuple(found)


MIN_SECRET = 16


class Access(NamedTuple):
    """How the API may be reached. `address` None is the default one, or a free port near it."""

    address: Address | None = None
    tokens: tuple[Token, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    hosts: tuple[str, ...] = ()
    """Names besides its own address by which callers know it."""

    @property
    def encrypted(self) -> bool:
        """Whether it speaks TLS."""
        return self.certificate is not None
