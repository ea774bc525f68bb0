"""adb_peer.py PORT KIND: listens as a phone's daemon does, and is no good phone.

``unauthorized``: nobody has touched "Allow USB debugging" on its screen; it asks for another signature for ever.
``silent``: it takes connections and never says a word.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading

_HEAD = struct.Struct("<6I")
_AUTH = int.from_bytes(b"AUTH", "little")
_TOKEN, _PUBLIC_KEY = 1, 3


def packet(command: int, first: int, data: bytes) -> bytes:
    """Return a message of the protocol between the server and a device."""
    return _HEAD.pack(command, first, 0, len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF) + data


def received(connection: socket.socket, size: int) -> bytes:
    """Return so many bytes.

    Raises:
        EOFError: the other side has gone.
    """
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def never_authorize(connection: socket.socket) -> None:
    """Ask for signatures until the public key comes, which a person would have to accept."""
    while True:
        command, first, _, size, _, _ = _HEAD.unpack(received(connection, _HEAD.size))
        received(connection, size)
        if (command, first) == (_AUTH, _PUBLIC_KEY):
            threading.Event().wait()
        connection.sendall(packet(_AUTH, _TOKEN, os.urandom(20)))


def serve(connection: socket.socket, kind: str) -> None:
    """Serve one connection for as long as it lasts."""
    try:
        if kind == "unauthorized":
            never_authorize(connection)
        while connection.recv(1 << 12):
            pass
    except (EOFError, OSError):
        return


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print(f"{sys.argv[2]} peer at 127.0.0.1:{sys.argv[1]}", flush=True)
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=serve, args=(accepted, sys.argv[2]), daemon=True).start()
