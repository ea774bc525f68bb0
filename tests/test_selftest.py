"""``edgebench selftest``: its sums on invented figures, its machinery on a fake device, and once on the real thing."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from edgebench.cli import main
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.devices.local import LocalDevice
from edgebench.errors import RuntimeRefused, UsageError, WorkerError
from edgebench.report.selftest import render_selftest
from edgebench.selftest import Effort, KnownComparison, SelfTest, self_test, summarise_noise, summarise_overhead
from edgebench.spec import DEFAULT_SETTINGS

_MS = 1_000_000
_EFFORT = Effort(
    rounds=2,
    burst_ns=2 * _MS,
    warmup_ns=_MS,
    settings=replace(
        DEFAULT_SETTINGS, min_runs=9, min_time_ns=_MS, warmup_time_ns=_MS, min_blocks=3, max_blocks=3, timeout_s=60
    ),
)


def _fake(
    budget_ns: int = 10_000 * _MS, stack: FakeModel | None = None, copy: FakeModel | None = None
) -> tuple[SelfTest, FakeDevice]:
    device = FakeDevice({"stack": stack or FakeModel(), "copy": copy or FakeModel()})
    found = self_test(device, budget_ns=budget_ns, effort=_EFFORT)
    assert device.open_workers == 0
    return found, device


def test_overhead_is_the_mean_ratio_with_its_interval() -> None:
    found = summarise_overhead([(102.0, 100.0), (104.0, 100.0), (103.0, 101.0)])
    assert found.ratio == pytest.approx((1.02 * 1.04 * 103 / 101) ** (1 / 3))
    assert (found.pairs, found.harness_ns, found.bare_ns) == (3, 103.0, 100.0)
    assert found.ratio is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.ratio < found.high
    assert math.log(found.high / found.ratio) == pytest.approx(math.log(found.ratio / found.low))


def test_overhead_of_two_pairs_has_no_interval_and_says_so() -> None:
    found = summarise_overhead([(102.0, 100.0), (104.0, 100.0)])
    assert found.ratio is None
    assert found.unavailable == {"ratio": "2 pairs, 3 needed"}


def test_noise_sums_up_comparisons() -> None:
    found = summarise_noise(
        [
            KnownComparison(log_ratio=-0.01, half_width=0.02, detectable=0.03, different=False),
            KnownComparison(log_ratio=0.01, half_width=0.01, detectable=0.02, different=True),
            KnownComparison(log_ratio=0.0, half_width=0.04, detectable=0.06, different=False),
        ]
    )
    assert (found.comparisons, found.different, found.half_width, found.detectable) == (3, 1, 0.02, 0.03)
    assert found.ratio_sd == pytest.approx(0.01)


def test_one_comparison_has_no_spread() -> None:
    found = summarise_noise([KnownComparison(0.0, 0.02, 0.03, different=False)])
    assert found.ratio_sd is None
    assert "ratio_sd" in found.unavailable


def test_a_slower_harness_is_found_and_its_bare_loop_ran_in_other_processes() -> None:
    found, device = _fake(stack=FakeModel(latency_ns=_MS + 20_000), copy=FakeModel(latency_ns=_MS + 20_000))
    assert found.overhead.ratio == pytest.approx(1.02)
    loaded = {worker for worker, command in device.log if command == "load"}
    bare = {worker for worker, command in device.log if command == "open_bare"}
    assert len(bare) == found.overhead.pairs
    assert not loaded & bare


def test_a_copy_that_is_slower_is_called_different() -> None:
    found, _ = _fake(copy=FakeModel(latency_ns=2 * _MS))
    assert found.noise.different == found.noise.comparisons > 1


def test_the_budget_bounds_both_parts() -> None:
    short, device = _fake(budget_ns=1)
    assert (short.overhead.pairs, short.noise.comparisons) == (3, 1)
    long, _ = _fake(budget_ns=device.now_ns * 4)
    assert long.overhead.pairs > 3
    assert long.noise.comparisons > 1


def test_the_budget_holds_where_there_is_room_for_a_second_turn() -> None:
    budget_ns = 3_000 * _MS
    found, device = _fake(budget_ns=budget_ns)
    assert found.noise.comparisons > 1
    assert device.now_ns <= budget_ns


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_of_nothing_is_an_error(budget: int) -> None:
    with pytest.raises(UsageError, match="--budget"):
        self_test(FakeDevice({}), budget_ns=budget)


def test_a_runtime_without_the_c_api_has_noise_but_no_overhead() -> None:
    refusal = RuntimeRefused("bare loops need more; this has no such API", "no-profile")
    found, _ = _fake(stack=FakeModel(fails={"open_bare": refusal}))
    assert found.overhead.ratio is None
    assert found.noise.comparisons >= 1
    assert "overhead unavailable: bare loops need more; this has no such API\n" in render_selftest(found)


def test_any_other_refusal_is_an_error() -> None:
    with pytest.raises(RuntimeRefused, match="cannot allocate"):
        _fake(stack=FakeModel(fails={"load": RuntimeRefused("cannot allocate")}))


def test_a_model_that_fails_in_a_comparison_is_an_error() -> None:
    with pytest.raises(WorkerError, match="the built-in model failed: gone"):
        _fake(copy=FakeModel(fails={"burst": WorkerError("gone")}))


@pytest.mark.parametrize(
    ("medians", "meaning"),
    [
        ([(1.5e6, 1e6), (1.5e6, 1e6), (1.51e6, 1e6)], "look slower than a bare loop"),
        ([(1e6, 1.5e6), (1e6, 1.5e6), (1.01e6, 1.5e6)], "the harness is not slower"),
        ([(1e6, 1.5e6), (1e6, 1e6), (1.5e6, 1e6)], "no cost of the harness is shown"),
    ],
)
def test_the_text_says_what_the_interval_means(medians: list[tuple[float, float]], meaning: str) -> None:
    found, _ = _fake(budget_ns=1)
    text = render_selftest(replace(found, overhead=summarise_overhead(medians)))
    assert meaning in text
    assert "standard deviation of the ratio unknown" in text
    assert text.count("\n") == 7


def test_on_the_real_thing() -> None:
    found = self_test(LocalDevice(), budget_ns=1, effort=_EFFORT)
    assert found.runtime.name == "litert"
    assert found.overhead.pairs == 3
    assert found.overhead.ratio is not None
    assert found.noise.comparisons == 1


def test_the_command_prints_json_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = FakeDevice({"stack": FakeModel(), "copy": FakeModel()})
    monkeypatch.setattr("edgebench.devices.local.LocalDevice", lambda: device)
    assert main(["selftest", "--json", "--budget", "5s"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["overhead"]["ratio"] == pytest.approx(1)
    assert record["noise"]["different"] == 0
    assert err == ""
    assert main(["selftest", "--quiet", "--budget", "5s"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Self-test with ai-edge-litert 0, engine interpreter, 1 thread")
    assert err == ""


def test_a_wrong_budget_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--budget", "soon"]) == 2
    assert capsys.readouterr().err == "edgebench: error: --budget soon: not a duration; write 500ms, 2s or 5m\n"
