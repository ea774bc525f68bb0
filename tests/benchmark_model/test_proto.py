"""The reader of result files."""

from __future__ import annotations

import random

import pytest
from edgebench.benchmark_model.figures import Footprint, Statistics
from edgebench.benchmark_model.proto import parse_result
from edgebench.errors import ProtocolError

from .wire import LATENCY, floating, integer, message, result

MS = 1_000_000.0


def test_a_whole_result() -> None:
    times = dict(zip(LATENCY, (5.5, 5.25, 6.75, 0.125, 5.375, 5.3125, 6.5, 38.5, 8.25, 7.75), strict=True))
    memory = integer(1, 2492) + integer(2, 8884) + floating(3, 13.1796875)
    found = parse_result(result(times, memory=memory))
    assert found.measured == Statistics(
        50, None, None, 5.25 * MS, 6.75 * MS, 5.5 * MS, 0.125 * MS, 5.3125 * MS, 5.375 * MS, 6.5 * MS
    )
    assert found.warmup == Statistics(3, first_ns=8.25 * MS, mean_ns=7.75 * MS)
    assert (found.init_ns, found.first_inference_ns) == (38.5 * MS, 8.25 * MS)
    assert found.footprint == Footprint(2492 * 1024, 8884 * 1024, 13819904)
    assert found.model_size_bytes == 1_500_000


def test_what_was_not_looked_at_is_not_there() -> None:
    found = parse_result(result({"avg": 5.5}, memory=integer(1, 0) + floating(3, -1.0), warmups=0))
    assert found.measured == Statistics(50, mean_ns=5.5 * MS)
    assert found.footprint == Footprint(init_growth_bytes=0)
    assert found.first_inference_ns is None


def test_what_no_average_is_of() -> None:
    found = parse_result(result({"avg": float("nan"), "min": 1.0}))
    assert found.measured is not None
    assert (found.measured.mean_ns, found.measured.min_ns) == (None, MS)


def test_fields_of_later_releases_are_passed_over() -> None:
    later = integer(9, 3) + message(10, b"later") + b"\x59" + bytes(8)  # field 11 of 8 bytes
    assert parse_result(later + result({"avg": 5.5}) + later) == parse_result(result({"avg": 5.5}))


def test_negative_integers_and_messages_in_parts() -> None:
    memory = message(3, integer(1, -1) + integer(2, 300))  # -1: the platform does not tell
    data = message(2, floating(1, 2.0)) + message(2, floating(2, 1.0)) + memory + message(4, integer(2, 7))
    found = parse_result(data)
    assert found.measured == Statistics(7, min_ns=MS, mean_ns=2 * MS)
    assert found.footprint == Footprint(None, 300 * 1024)


def test_what_was_written_in_single_precision_is_read_back() -> None:
    chance = random.Random(0)
    for _ in range(200):
        value = float(f"{chance.uniform(0, 10 ** chance.randint(-3, 5)):.6g}")
        found = parse_result(result({"avg": value}))
        assert found.measured is not None
        assert found.measured.mean_ns == pytest.approx(value * MS, rel=1e-6)


def test_a_file_cut_off_anywhere_is_an_error_or_whole_fields() -> None:
    data = result(dict.fromkeys(LATENCY, 5.5), memory=integer(1, 300))
    whole = parse_result(data)
    for end in range(len(data)):
        try:
            found = parse_result(data[:end])
        except ProtocolError:
            continue
        assert found.measured is not None
        assert found.measured.mean_ns == 5.5 * MS
        assert found.footprint in (Footprint(), whole.footprint)


def test_foreign_and_damaged_bytes_are_an_error_of_the_contract_or_nothing() -> None:
    chance = random.Random(3)
    whole = result(dict.fromkeys(LATENCY, 5.5), memory=integer(1, 300) + floating(3, 4.0))
    for _ in range(3_000):
        data = bytearray(whole if chance.random() < 0.7 else chance.randbytes(chance.randrange(99)))
        for _ in range(min(len(data), chance.randrange(4))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            found = parse_result(bytes(data[: chance.randrange(len(data) + 1)]))
        except ProtocolError:
            continue
        assert found.init_ns is None or 0 <= found.init_ns < 1e21


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"no latency in it \(0 bytes\)"),
        (b"\x00\x01", "it has a field 0"),
        (b"\x0b\x01", "wire type 3"),
        (b"\x12\x05\x01", "cut off: it ends at byte 3 of at least 7"),
        (b"\xff" * 11, "cut off in a number"),
        (integer(2, 5), "a number where a message has to be"),
        (message(2, integer(1, 5)), "field 1 is no float"),
        (message(2, message(11, b"else")), "no latency in it"),
        (integer(1, 5), "a number where its name has to be"),
        (message(2, floating(1, -5)), "a time of -5 ms in field 1"),
        (message(2, floating(1, 5)) + message(4, integer(2, (1 << 64) - 1)), "-1 runs in field 2"),
        (message(2, floating(3, 1e30)), r"a time of 1e\+30 ms in field 3"),
        (message(2, floating(1, 5)) + message(4, floating(2, 5)), "field 2 is no integer"),
    ],
)
def test_what_is_no_result(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse_result(data)
