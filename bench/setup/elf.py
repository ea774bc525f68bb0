"""What a program or library of Linux says of itself: its processor, and the libraries that it needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MAGIC = b"\x7fELF"
_64_BITS, _LITTLE = 2, 1
_LOAD, _DYNAMIC = 1, 2
_END, _NEEDED, _STRINGS, _SONAME = 0, 1, 5, 14


@dataclass(frozen=True)
class Elf:
    """``machine`` is the number of its processor's kind, ``soname`` the name by which others need it, if any."""

    machine: int
    needed: tuple[str, ...] = ()
    soname: str | None = None


def read_elf(content: bytes) -> Elf | None:
    """Return what a 64-bit ELF file says, None where the content is none, or is cut off."""
    if content[:4] != _MAGIC or content[4:6] != bytes((_64_BITS, _LITTLE)):
        return None
    try:
        return _read(content)
    except (struct.error, ValueError):
        return None


def _read(content: bytes) -> Elf:
    machine = struct.unpack_from("<H", content, 18)[0]
    (table,) = struct.unpack_from("<Q", content, 32)
    entry_bytes, count = struct.unpack_from("<HH", content, 54)
    segments = [struct.unpack_from("<IIQQQQ", content, table + entry_bytes * number) for number in range(count)]
    dynamic = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    if dynamic is None:
        return Elf(machine)
    entries = _entries(content, dynamic[2], dynamic[5])
    address = next((value for tag, value in entries if tag == _STRINGS), None)
    if address is None:
        return Elf(machine)
    strings = _offset(address, segments)
    sonames = [_text(content, strings + value) for tag, value in entries if tag == _SONAME]
    needed = tuple(_text(content, strings + value) for tag, value in entries if tag == _NEEDED)
    return Elf(machine, needed, next(iter(sonames), None))


def _entries(content: bytes, offset: int, size_bytes: int) -> list[tuple[int, int]]:
    entries = []
    for place in range(offset, offset + size_bytes, 16):
        tag, value = struct.unpack_from("<QQ", content, place)
        if tag == _END:
            break
        entries.append((tag, value))
    return entries


def _offset(address: int, segments: list[tuple[int, ...]]) -> int:
    """Return where in the file lies what is at an address in memory."""
    for kind, _flags, offset, start, _physical, size in segments:
        if kind == _LOAD and start <= address < start + size:
            return offset + address - start
    raise ValueError("no segment holds the address")


def _text(content: bytes, offset: int) -> str:
    return content[offset : content.index(b"\0", offset)].decode("ascii", "replace")
