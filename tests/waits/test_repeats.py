from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from edgebench.devices.fake import FakeModel
from edgebench.outcome import peak_bytes, typical_ns
from edgebench.records import Latency, TensorInfo
from edgebench.waits.repeats import blocks, own_batch

from .waiting import MS, S, context, fake, timed, wanted


@pytest.mark.parametrize(
    ("block_ns", "asked", "taken"),
    [(S, 6, 6), (S, 2, 2), (4 * S, 6, 3), (5 * S, 6, 3), (25 * S, 6, 2), (90 * S, 6, 1), (90 * S, 1, 1)],
)
def test_as_many_blocks_as_asked_for_or_as_the_time_allows(
    tmp_path: Path, block_ns: int, asked: int, taken: int
) -> None:
    device, _ = fake(tmp_path, FakeModel())
    device.now_ns = 77
    done = 0
    for block in blocks(context(device, wanted(), blocks=asked)):
        assert block == done
        device.now_ns += block_ns
        done += 1
    assert done == taken


def test_the_typical_latency_is_the_median_or_the_mean_or_unknown(tmp_path: Path) -> None:
    outcome = timed(fake(tmp_path, FakeModel())[1], 3 * MS)
    assert typical_ns(outcome) == 3 * MS
    outcome.update(latency=Latency(2, 1, 5.0))
    assert typical_ns(outcome) == 5.0
    outcome.update(latency=None)
    assert typical_ns(outcome) == 0


def test_the_models_own_batch(tmp_path: Path) -> None:
    case = fake(tmp_path, FakeModel())[1]
    assert own_batch(timed(case, 1, batch=4)) == 4
    assert own_batch(timed(case, 1, batch=192, output_batch=1)) is None
    outcome = timed(case, 1)
    scalar = replace(TensorInfo("count", (), "int32"))
    outcome.update(outputs=(*outcome.result.outputs, scalar))
    assert own_batch(outcome) is None


def test_memory_of_a_case(tmp_path: Path) -> None:
    outcome = timed(fake(tmp_path, FakeModel())[1], 1, peak_bytes=7)
    assert peak_bytes(outcome) == 7
    outcome.update(memory=None)
    assert peak_bytes(outcome) == 0
