"""Framing: messages come whole however the stream is cut, and what is no message is refused."""

from __future__ import annotations

from typing import Any

import pytest
from edgebench.worker.keeper_wire import Unframer, frame

MESSAGES: list[tuple[dict[str, Any], bytes]] = [
    ({"id": 1}, b""),
    ({"worker": 2}, b"\n{}\0" * 5),
    ({"text": "ü\n"}, b""),
    ({"to": 3}, b"x"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_in_pieces(size: int) -> None:
    stream = b"".join(frame(head, payload) for head, payload in MESSAGES)
    unframer = Unframer()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    found = [message for piece in pieces for message in unframer.feed(piece)]
    assert [({key: head[key] for key in head if key != "bytes"}, payload) for head, payload in found] == MESSAGES


@pytest.mark.parametrize("stream", [b"Welcome!\n", b"[1]\n", b"\xff\n", b"x" * (2 << 20)])
def test_what_is_no_message(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Unframer().feed(stream)
