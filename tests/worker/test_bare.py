from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.stack_model import write_stack_model
from edgebench.worker.bare import bare_loop
from edgebench.worker.refusal import Refusal
from edgebench.worker.service import Service, answer_to

_FIELDS = {"engine": "interpreter", "delegate": "default", "threads": 1, "signature": None, "seed": 0}


class _Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def work(self) -> None:
        self.now += 7


def test_it_runs_until_the_time_is_over() -> None:
    clock = _Clock()
    assert bare_loop(clock.work, 20, clock) == [7, 7, 7]


def test_it_runs_once_without_time() -> None:
    clock = _Clock()
    assert bare_loop(clock.work, 0, clock) == [7]


def test_the_commands_on_the_real_thing(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = write_stack_model(tmp_path / "stack.tflite")
    service = Service()
    service.hello({})
    for _ in range(2):  # a second one takes the first one's place
        assert answer_to(service, {"cmd": "open_bare", "model_path": str(path), **_FIELDS}) == {"ok": True}
    answer = answer_to(service, {"cmd": "bare_loop", "max_ns": 1})
    assert answer["runs"] == 1
    assert answer["median_ns"] > 0


def test_commands_out_of_order() -> None:
    with pytest.raises(Refusal, match="bare_loop before open_bare"):
        Service().bare_loop({"max_ns": 1})
    with pytest.raises(Refusal, match="open_bare before hello"):
        Service().open_bare({"model_path": "x", **_FIELDS})
