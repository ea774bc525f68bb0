"""Read a flatbuffer with every access checked against the length of the file.

The official Python runtime trusts its input: a damaged offset reads from the wrong end of the file or
raises whatever ``struct`` raises. Here a model file is untrusted, so each position is checked first and the
only error is :class:`DamagedBuffer`. Standard library only, and nothing is copied but what is asked for.

Source of the layout: https://flatbuffers.dev/internals/ (all numbers little endian; a table starts with a
signed offset back to its vtable; references are unsigned offsets forward from where they are stored).
"""

from __future__ import annotations

import struct
from mmap import mmap
from typing import TypeAlias

Data: TypeAlias = bytes | bytearray | mmap

_U16 = struct.Struct("<H")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")


class DamagedBuffer(ValueError):
    """A flatbuffer whose contents contradict themselves. ``str(error)`` says how, in a few words."""


def root_table(data: Data, identifier: bytes, start: int = 0) -> Table:
    """The root table of the flatbuffer at byte ``start``.

    Raises :class:`DamagedBuffer` when the four bytes of ``identifier`` are not in their place.
    """
    found = bytes(data[start + 4 : start + 8])
    if found != identifier:
        raise DamagedBuffer(f"the identifier is {found!r}, not {identifier!r}")
    return Table(data, start + _read(data, _U32, start))


class Table:
    """One table of a flatbuffer. Fields are named by their slot: the id in the schema, counted from 0."""

    __slots__ = ("_data", "_fields", "_size_bytes", "_vtable", "position")

    def __init__(self, data: Data, position: int) -> None:
        self._data = data
        self.position = position
        self._vtable = position - _read(data, _I32, position)
        vtable_bytes = _read(data, _U16, self._vtable)
        self._size_bytes = _read(data, _U16, self._vtable + 2)
        if vtable_bytes < 4 or vtable_bytes % 2:
            raise DamagedBuffer(f"a vtable of {vtable_bytes} bytes")
        self._fields = (vtable_bytes - 4) // 2

    @property
    def slots(self) -> int:
        """How many slots this table's vtable has; later ones are absent."""
        return self._fields

    def field(self, slot: int) -> int | None:
        """The byte position of a field, or None when it is absent (it then has its default)."""
        if slot >= self._fields:
            return None
        offset = _read(self._data, _U16, self._vtable + 4 + 2 * slot)
        if offset == 0:
            return None
        if not 4 <= offset < self._size_bytes:
            raise DamagedBuffer(f"a field outside its table (slot {slot})")
        return self.position + offset

    def scalar(self, slot: int, letter: str, default: int = 0) -> int:
        """An integer field; ``letter`` is its ``struct`` format (B, b, I, Q ...)."""
        position = self.field(slot)
        return default if position is None else _read(self._data, struct.Struct("<" + letter), position)

    def target(self, slot: int) -> int | None:
        """The byte position that a reference field points to, or None when it is absent."""
        position = self.field(slot)
        return None if position is None else position + _read(self._data, _U32, position)

    def table(self, slot: int) -> Table | None:
        """A table field, or None when it is absent."""
        target = self.target(slot)
        return None if target is None else Table(self._data, target)

    def vector(self, slot: int, item_bytes: int) -> tuple[int, int]:
        """(position of the first item, number of items) of a vector field; (0, 0) when it is absent."""
        target = self.target(slot)
        if target is None:
            return 0, 0
        count = _read(self._data, _U32, target)
        if target + 4 + count * item_bytes > len(self._data):
            raise DamagedBuffer(f"a vector of {count} items runs past the end of the file")
        return target + 4, count

    def tables(self, slot: int) -> list[Table]:
        """The tables of a vector field, in order; an empty list when it is absent."""
        start, count = self.vector(slot, 4)
        places = range(start, start + 4 * count, 4)
        return [Table(self._data, place + _read(self._data, _U32, place)) for place in places]

    def numbers(self, slot: int, letter: str) -> tuple[float, ...]:
        """The numbers of a vector field, empty when absent; ``letter`` is the ``struct`` format of one."""
        start, count = self.vector(slot, struct.calcsize("<" + letter))
        return struct.unpack_from(f"<{count}{letter}", self._data, start) if count else ()

    def blob(self, slot: int) -> bytes | None:
        """A copy of a vector of bytes, or None when it is absent."""
        if self.target(slot) is None:
            return None
        start, count = self.vector(slot, 1)
        return bytes(self._data[start : start + count])

    def text(self, slot: int) -> str | None:
        """A string field, or None when it is absent. Raises :class:`DamagedBuffer` when it is not UTF-8."""
        raw = self.blob(slot)
        if raw is None:
            return None
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DamagedBuffer(f"a text that is not UTF-8 ({raw[:20]!r})") from error


def _read(data: Data, number: struct.Struct, position: int) -> int:
    # struct accepts negative positions and counts them from the end: that would hide damage.
    if not 0 <= position <= len(data) - number.size:
        raise DamagedBuffer(f"an offset to byte {position} of {len(data)}")
    value: int = number.unpack_from(data, position)[0]
    return value
