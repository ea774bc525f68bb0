"""Framing between the controller and a keeper: a line of JSON, and as many raw bytes as its ``bytes`` says.

The keeper's first line is :data:`MARK`: whatever a login shell printed before it belongs to nobody.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Tuple

Message = Dict[str, Any]

MARK = b"\0edgebench keeper\n"
#: No head comes near this; a stream that never has a line's end is not one of ours.
_MAX_HEAD_BYTES = 1 << 20


def frame(head: Message, payload: bytes = b"") -> bytes:
    """Return the bytes of one message."""
    told = dict(head, bytes=len(payload)) if payload else head
    return json.dumps(told, separators=(",", ":")).encode("utf-8") + b"\n" + payload


class Unframer:
    """Puts messages together from the pieces that a stream comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Optional[Message] = None

    def feed(self, data: bytes) -> List[Tuple[Message, bytes]]:
        """Return the messages that are whole now, each with its payload.

        Raises:
            ValueError: this is no such stream.
        """
        self._buffer += data
        found: List[Tuple[Message, bytes]] = []
        while True:
            if self._head is None:
                end = self._buffer.find(b"\n")
                if end < 0:
                    if len(self._buffer) > _MAX_HEAD_BYTES:
                        raise ValueError("a message without an end")
                    return found
                head = json.loads(bytes(self._buffer[:end]).decode("utf-8"))
                if not isinstance(head, dict):
                    raise ValueError("a message that is no object: %r" % (head,))
                self._head = head
                del self._buffer[: end + 1]
            size = int(self._head.get("bytes", 0))
            if len(self._buffer) < size:
                return found
            found.append((self._head, bytes(self._buffer[:size])))
            del self._buffer[:size]
            self._head = None


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything to a descriptor. Raises OSError where its reader is gone."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
