from __future__ import annotations

import struct

import pytest
from edgebench.flatbuffer import DamagedBuffer, Table, root_table


def _buffer(*, vtable: bytes, table: bytes, tail: bytes = b"") -> bytes:
    """A root at byte 8 + len(vtable), straight after its vtable."""
    position = 8 + len(vtable)
    return struct.pack("<I4s", position, b"TEST") + vtable + struct.pack("<i", len(vtable)) + table + tail


def _one_field(value: bytes, tail: bytes = b"") -> Table:
    vtable = struct.pack("<HHH", 6, 4 + len(value), 4)
    return root_table(_buffer(vtable=vtable, table=value, tail=tail), b"TEST")


def test_reads_a_scalar_and_defaults_for_absent_fields() -> None:
    table = _one_field(struct.pack("<i", -7))
    assert table.scalar(0, "i") == -7
    assert table.scalar(1, "i", default=3) == 3
    assert (table.slots, table.table(5), table.text(5), table.tables(5), table.numbers(5, "f")) == (
        1,
        None,
        None,
        [],
        (),
    )


def test_reads_strings_and_numbers() -> None:
    assert _one_field(struct.pack("<I", 4), struct.pack("<I", 3) + "né".encode() + b"\0").text(0) == "né"
    assert _one_field(struct.pack("<I", 4), struct.pack("<I2f", 2, 0.5, 2.0)).numbers(0, "f") == (0.5, 2.0)


def test_an_empty_vector_is_not_an_absent_one() -> None:
    assert _one_field(struct.pack("<I", 4), struct.pack("<I", 0)).blob(0) == b""


def test_a_text_must_be_utf8() -> None:
    with pytest.raises(DamagedBuffer, match="UTF-8"):
        _one_field(struct.pack("<I", 4), struct.pack("<I", 1) + b"\xff").text(0)


def test_the_identifier_is_checked() -> None:
    with pytest.raises(DamagedBuffer, match="TEST"):
        root_table(_buffer(vtable=struct.pack("<HH", 4, 4), table=b""), b"NOPE")


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\0\0\0\0TEST", b"\xff\xff\xff\xffTEST"])
def test_a_root_outside_the_file(data: bytes) -> None:
    with pytest.raises(DamagedBuffer):
        root_table(data, b"TEST")


def test_a_vtable_before_the_start_of_the_file() -> None:
    # struct would read this from the other end of the buffer without complaint.
    data = struct.pack("<I4si", 8, b"TEST", 12) + bytes(16)
    with pytest.raises(DamagedBuffer, match="byte -4"):
        root_table(data, b"TEST")


@pytest.mark.parametrize("size", [0, 3, 7])
def test_a_vtable_of_an_impossible_size(size: int) -> None:
    with pytest.raises(DamagedBuffer, match="vtable"):
        root_table(_buffer(vtable=struct.pack("<HH", size, 4), table=b""), b"TEST")


def test_a_field_outside_its_table() -> None:
    table = root_table(_buffer(vtable=struct.pack("<HHH", 6, 4, 40), table=bytes(80)), b"TEST")
    with pytest.raises(DamagedBuffer, match="slot 0"):
        table.scalar(0, "I")


def test_a_vector_longer_than_the_file() -> None:
    table = _one_field(struct.pack("<I", 4), struct.pack("<I", 0x7FFFFFFF))
    for read in (table.blob, table.text, table.tables):
        with pytest.raises(DamagedBuffer, match="past the end"):
            read(0)


def test_a_reference_outside_the_file() -> None:
    with pytest.raises(DamagedBuffer, match="offset"):
        _one_field(struct.pack("<I", 0xFFFFFF00)).table(0)
