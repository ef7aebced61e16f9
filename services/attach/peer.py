"""Who is at the other end of a Unix socket."""

import os
import pwd
import socket
import struct

_LINUX = struct.Struct("3i")
_MACOS = struct.Struct("2I")
_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process that connected, as the kernel knows it."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size)
        return int(_LINUX.unpack(credentials)[1])
    _, uid = _MACOS.unpack(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _MACOS.size))
    return int(uid)


def trusted_uids() -> frozenset[int]:
    """Who may speak to an engine of this process: its own user, and root, who could read its memory anyway."""
    return frozenset((os.geteuid(), 0))


def user_name(uid: int) -> str:
    """The name of a user of the operating system, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
