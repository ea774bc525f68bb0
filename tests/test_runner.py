from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from colours import write_folder
from edgebench.analysis.latency import summarise_latency
from edgebench.blocks import MAX_GROUP
from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import DataError, RuntimeRefused, UsageError, WorkerDied, WorkerError, WorkerTimeout
from edgebench.evaluation import Evaluator
from edgebench.records import Coverage, Delegate, DelegateKind, Status
from edgebench.runner import probe_runtime
from edgebench.spec import DataSpec, PythonTarget
from fake_runs import (
    MS,
    ONE_BLOCK,
    PLENTY,
    Counting,
    Models,
    Recording,
    after,
    build,
    commands,
    outcomes,
    ran,
    results,
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=2, size=10)


def evaluator(images: Path) -> Evaluator:
    return Evaluator(DataSpec(f"folder:{images}", normalize="-1..1"))


def test_memory_has_its_own_worker_before_any_timing(tmp_path: Path) -> None:
    found, device = ran(tmp_path, {"a": FakeModel(), "b": FakeModel()})
    for worker in (1, 2):
        assert commands(device, worker) == ["hello", "memory", "load", "memory", "first", "memory", "burst", "memory"]
    for worker in (3, 4):
        assert commands(device, worker)[:4] == ["hello", "load", "first", "burst"]
        assert "memory" not in commands(device, worker)
    numbers = [number for number, _ in device.log]
    assert numbers.index(3) > max(i for i, number in enumerate(numbers) if number in (1, 2))
    assert [result.status for result in found.values()] == [Status.OK, Status.OK]


def test_a_result_is_complete(tmp_path: Path) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(latency_ns=4 * MS, peak_rss_bytes=77)})
    result = found["a"]
    assert result.failure is None
    assert (result.load_ns, result.first_inference_ns, result.runtime_import_ns) == (5 * MS, 4 * MS, 1)
    assert result.memory is not None
    assert (result.memory.peak_rss_bytes, result.memory.rss_before_load_bytes) == (77, 30_000_000)
    assert result.runtime is not None
    assert result.delegation is not None
    assert result.delegation.coverage is Coverage.FULL
    assert result.latency is not None
    assert (result.latency.p50_ns, result.latency.warmup_count) == (4 * MS, 6)


def test_the_cases_take_turns_in_rotating_order(tmp_path: Path) -> None:
    """None is always first, and each round has each case once: drift hits all alike."""
    _, device = ran(tmp_path, {"a": FakeModel(), "b": FakeModel(), "c": FakeModel()})
    turns = [number for number, command in device.log if command == "burst" and number > 3]
    assert turns[:6] == [4, 4, 5, 5, 6, 6]  # warm-up in two windows, as each is loaded
    assert turns[6:15] == [4, 5, 6, 5, 6, 4, 6, 4, 5]
    assert len(turns) == 6 + 10 * 3  # ten bursts of 20 ms each fill 200 ms


def test_models_are_compared_with_nothing_and_take_no_turns(tmp_path: Path) -> None:
    found, device = ran(tmp_path, {"a": FakeModel(), "b": FakeModel()}, apart=True)
    turns = [number for number, command in device.log if command == "burst" and number > 2]
    assert turns == [3] * 12 + [4] * 12
    assert [result.comparison for result in found.values()] == [None, None]


def test_rounds_are_recorded_per_burst(tmp_path: Path) -> None:
    runner, _ = build(tmp_path, {"a": FakeModel(), "b": FakeModel()})
    runner.run()
    for outcome in runner.outcomes:
        places = [(burst.block, burst.round_index) for burst in outcome.log.select(warmup=False)]
        assert places == [(0, index) for index in range(10)]


@pytest.mark.parametrize(
    ("changes", "latency_ms", "count"),
    [
        ({}, 1, 200),  # the minimum time decides: 200 ms
        ({"min_time_ns": 0}, 1, 100),  # five bursts, whatever is asked: their median is the block's value
        ({"min_time_ns": 0, "min_runs": 130}, 1, 140),  # whole bursts until there are enough
        ({"max_runs": 70}, 1, 70),  # never more, not even within a burst
        ({"max_runs": 10}, 1, 10),
        ({}, 100, 4),  # the maximum time ends it below the minimum count
        ({"min_runs": 1, "max_runs": 1, "min_time_ns": 0}, 1, 1),
        ({}, 1000, 1),
    ],
)
def test_how_long_is_measured(tmp_path: Path, changes: dict[str, Any], latency_ms: int, count: int) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(latency_ns=latency_ms * MS)}, replace(ONE_BLOCK, **changes))
    latency = found["a"].latency
    assert latency is not None
    assert latency.count == count


def turns_of_two(tmp_path: Path, **changes: Any) -> list[int]:
    """Which worker burst, one (3) quick and one (4) slow model; the slow one needs 50 rounds for its 100 runs."""
    settings = replace(ONE_BLOCK, min_runs=100, min_time_ns=0, max_time_ns=10_000 * MS, **changes)
    _, device = ran(tmp_path, {"quick": FakeModel(MS), "slow": FakeModel(10 * MS)}, settings)
    return [number for number, command in device.log if command == "burst" and number > 2][5:]  # behind warm-up


def test_a_case_that_has_enough_goes_on_with_the_others(tmp_path: Path) -> None:
    """They are compared round by round: what one has more than the other says nothing about both."""
    turns = turns_of_two(tmp_path, max_runs=2000)
    assert (turns.count(3), turns.count(4)) == (50, 50)
    assert [sorted(turns[i : i + 2]) for i in range(0, 100, 2)] == [[3, 4]] * 50


def test_a_case_at_its_cap_leaves_the_turns(tmp_path: Path) -> None:
    turns = turns_of_two(tmp_path, max_runs=500)
    assert (turns.count(3), turns.count(4)) == (25, 50)
    assert turns[-25:] == [4] * 25


def test_warm_up_is_kept_apart(tmp_path: Path) -> None:
    """The first runs are slow; they must not reach the figures."""
    model = FakeModel(latency_ns=lambda run: 20 * MS if run < 2 else MS)
    runner, _ = build(tmp_path, {"a": model})
    runner.run()
    latency = runner.outcomes[0].result.latency
    assert latency is not None
    assert (latency.p50_ns, latency.mean_ns, latency.min_ns) == (MS, MS, MS)
    # The first inference was run 0; the warm-up has the other slow one, and goes on until two windows agree.
    assert list(runner.outcomes[0].log.latencies(warmup=True)) == [20 * MS] + [MS] * 20
    assert latency.warmup_count == 21


@pytest.mark.parametrize("command", ["memory", "load", "first", "burst"])
@pytest.mark.parametrize(
    "error", [RuntimeRefused("no", "custom-operator"), WorkerDied("gone"), WorkerTimeout("slow")], ids=lambda e: e.code
)
def test_a_failing_worker_is_that_cases_result_and_the_others_go_on(
    tmp_path: Path, command: str, error: WorkerError
) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(), "bad": FakeModel(fails={command: error}), "c": FakeModel()})
    assert [found[name].status for name in ("a", "bad", "c")] == [Status.OK, Status.FAILED, Status.OK]
    failure = found["bad"].failure
    assert failure is not None
    assert (failure.code, failure.message) == (error.code, str(error))
    assert found["a"].latency is not None
    assert found["c"].latency is not None


def test_a_case_above_the_memory_limit_fails_alone(tmp_path: Path) -> None:
    models = {"small": FakeModel(), "large": FakeModel(peak_rss_bytes=612_000_000)}
    found, _ = ran(tmp_path, models, replace(ONE_BLOCK, memory_limit_bytes=500_000_000))
    assert found["small"].status is Status.OK
    failure = found["large"].failure
    assert failure is not None
    assert (failure.code, failure.message) == (
        "memory-limit",
        "used 612 MB, more than --memory-limit 500 MB, during 'load'; the worker was killed",
    )


def test_a_device_that_cannot_limit_memory_stops_the_run_and_closes_its_worker(tmp_path: Path) -> None:
    models = {"a": FakeModel()}
    settings = replace(ONE_BLOCK, memory_limit_bytes=500_000_000)
    runner, device = build(tmp_path, models, settings, device=Interrupting(models, 10**9))
    with pytest.raises(UsageError, match="--memory-limit: this device does not tell"):
        runner.run()
    assert device.open_workers == 0


def test_what_was_measured_before_a_failure_is_kept(tmp_path: Path) -> None:
    models = {"a": FakeModel(latency_ns=after(120, MS, WorkerDied("gone"))), "b": FakeModel()}
    runner, device = build(tmp_path, models)
    runner.run()
    result = results(runner)["a"]
    assert device.open_workers == 0
    assert result.status is Status.FAILED
    assert result.memory is not None
    assert result.load_ns is not None
    assert result.latency is not None  # the bursts before, while the fifth one died
    assert result.latency.count == 80
    assert results(runner)["b"].status is Status.OK


def test_a_failure_while_loading_for_timing_keeps_the_memory(tmp_path: Path) -> None:
    class Second(FakeDevice):
        """Starts no third process."""

        def start_worker(self, python: str) -> WorkerLink:
            if self._started >= 1:
                raise WorkerDied("cannot start")
            return super().start_worker(python)

    models = {"a": FakeModel()}
    found, _ = ran(tmp_path, models, device=Second(models))
    assert found["a"].memory is not None
    assert found["a"].latency is None
    assert found["a"].failure is not None
    assert found["a"].failure.message == "cannot start"


def test_an_explicit_delegate_that_took_nothing_is_a_failure(tmp_path: Path) -> None:
    models = {"idle": FakeModel(delegated_nodes=0), "part": FakeModel(delegated_nodes=2)}
    found, _ = ran(tmp_path, models, delegates=(Delegate(DelegateKind.XNNPACK),))
    failure = found["idle"].failure
    assert failure is not None
    assert (failure.code, failure.message) == ("delegate-idle", "delegate xnnpack took none of the 3 nodes")
    assert found["idle"].delegation is not None
    assert found["idle"].latency is None
    assert found["part"].status is Status.OK


@pytest.mark.parametrize("kind", [DelegateKind.DEFAULT, DelegateKind.NONE])
def test_a_default_delegate_that_took_nothing_is_reported_only(tmp_path: Path, kind: DelegateKind) -> None:
    found, _ = ran(tmp_path, {"a": FakeModel(delegated_nodes=0)}, delegates=(Delegate(kind),))
    assert found["a"].status is Status.OK
    assert found["a"].delegation is not None
    assert found["a"].delegation.coverage is Coverage.NOTHING


@pytest.mark.parametrize(
    ("available", "count", "most"),
    [
        (PLENTY, MAX_GROUP + 3, MAX_GROUP),
        (None, MAX_GROUP + 3, MAX_GROUP),  # nobody knows how much is free
        (1_000_000_000, 6, 2),  # 600 MB for workers of 300 MB
        (1_500_000_000, 6, 3),
        (1_000, 3, 2),  # never without the baseline, even where not even that fits
    ],
)
def test_groups_are_bounded_by_memory_and_number(tmp_path: Path, available: int | None, count: int, most: int) -> None:
    models = {f"m{i:02}": FakeModel(peak_rss_bytes=300_000_000) for i in range(count)}
    device = Counting(models)
    found, _ = ran(tmp_path, models, device=device, available=available)
    assert device.most == most
    assert {result.status for result in found.values()} == {Status.OK}


def test_groups_are_formed_of_the_cases_that_live(tmp_path: Path) -> None:
    dead = FakeModel(fails={"load": RuntimeRefused("no")})
    models = {"a": FakeModel(peak_rss_bytes=300_000_000), "b": dead, "c": FakeModel(peak_rss_bytes=300_000_000)}
    device = Counting(models)
    ran(tmp_path, models, device=device, available=1_000_000_000)
    assert device.most == 2


class Interrupting(FakeDevice):
    """Ctrl-C at the n-th request of all."""

    def __init__(self, models: Models, at: int) -> None:
        super().__init__(models)
        self.at = at

    def start_worker(self, python: str) -> WorkerLink:
        return _InterruptingLink(self, super().start_worker(python))


class _InterruptingLink(WorkerLink):
    def __init__(self, device: Interrupting, link: WorkerLink) -> None:
        self._device, self._link = device, link

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        if len(self._device.log) == self._device.at:
            raise KeyboardInterrupt
        return self._link.request(command, timeout_s, **fields)

    def close(self) -> None:
        self._link.close()


def test_ctrl_c_at_any_request_closes_all_workers_and_keeps_the_samples(tmp_path: Path, images: Path) -> None:
    models = {"a": FakeModel(), "b": FakeModel()}
    judge = evaluator(images)
    settings = replace(ONE_BLOCK, min_time_ns=0, min_blocks=3, max_blocks=3)
    whole, device = build(tmp_path, models, settings, evaluator=judge)
    whole.run()
    requests = len(device.log)
    assert requests > 80
    for at in range(requests):
        runner, device = build(tmp_path, models, settings, device=Interrupting(models, at), evaluator=judge)
        with pytest.raises(KeyboardInterrupt):
            runner.run()
        assert device.open_workers == 0, f"request {at}"
        sampled = sum(command == "burst" and number > 2 for number, command in device.log)
        kept = sum(len(outcome.log.bursts) for outcome in runner.outcomes)
        assert kept == sampled
        for outcome in runner.outcomes:
            done = outcome.result.accuracy is not None  # the last thing that is asked of a case
            assert outcome.result.status is (Status.OK if done else Status.INTERRUPTED)
            assert done or (outcome.result.failure is not None and outcome.result.failure.code == "interrupted")
            assert outcome.result.latency == summarise_latency(outcome.log.by_block(), outcome.log.count(warmup=True))
        compared = outcomes(runner)["b"].result.comparison
        both = min(len(outcome.log.by_block()) for outcome in runner.outcomes)
        assert (compared.blocks if compared else 0) == both
        assert both < 3 or (compared and compared.ratio == 1)


def test_an_unexpected_error_closes_all_workers_too(tmp_path: Path) -> None:
    models = {"a": FakeModel(), "b": FakeModel(latency_ns=after(120, MS, ZeroDivisionError()))}
    runner, device = build(tmp_path, models)
    with pytest.raises(ZeroDivisionError):
        runner.run()
    assert device.open_workers == 0


def test_images_are_classified_last_in_workers_of_their_own(tmp_path: Path, images: Path) -> None:
    runner, device = build(tmp_path, {"a": FakeModel(), "b": FakeModel()}, evaluator=evaluator(images))
    runner.run()
    assert device.open_workers == 0
    assert commands(device, 5) == commands(device, 6) == ["hello", "load", "open_images", "predict"]
    assert [number for number, command in device.log if command == "predict"] == [5, 6]
    assert commands(device, 1)[-1] == "open_images"  # asked first, so that a mistake shows before any timing
    for outcome in runner.outcomes:
        assert outcome.scored is not None
        assert outcome.result.accuracy == outcome.scored.accuracy
        assert outcome.result.preprocessing is not None
        assert outcome.result.notes == ("label order is assumed (alphabetical); check it, or give --labels FILE",)


def test_scores_that_are_not_finite_fail_that_case_only(tmp_path: Path, images: Path) -> None:
    nan = FakeModel(scores=lambda start, stop: [[float("nan")] * 7] * (stop - start))
    found, _ = ran(tmp_path, {"a": FakeModel(), "nan": nan}, evaluator=evaluator(images))
    failure = found["nan"].failure
    assert failure is not None
    assert failure.code == "bad-scores"
    assert "14 of 14 images" in failure.message
    assert found["nan"].latency is not None
    assert found["nan"].accuracy is None
    assert found["a"].accuracy is not None


def test_a_worker_that_dies_while_classifying_keeps_its_latency(tmp_path: Path, images: Path) -> None:
    models = {"a": FakeModel(fails={"predict": WorkerDied("gone")}), "b": FakeModel()}
    found, _ = ran(tmp_path, models, evaluator=evaluator(images))
    assert found["a"].status is Status.FAILED
    assert found["a"].latency is not None
    assert found["b"].accuracy is not None


def test_labels_that_do_not_fit_stop_the_run_before_any_timing(tmp_path: Path, images: Path) -> None:
    runner, device = build(tmp_path, {"a": FakeModel(), "b": FakeModel(classes=3)}, evaluator=evaluator(images))
    with pytest.raises(DataError, match="net/b: the model answers 3 scores but there are 7 labels"):
        runner.run()
    assert device.open_workers == 0
    assert len({number for number, _ in device.log}) == 2


def test_a_model_that_takes_no_images_names_the_way_out(tmp_path: Path, images: Path) -> None:
    refusal = RuntimeRefused("the model takes 2 inputs, not one image", "not-a-classifier")
    runner, device = build(tmp_path, {"a": FakeModel(fails={"open_images": refusal})}, evaluator=evaluator(images))
    with pytest.raises(DataError, match=r"net/a@.*: the model takes 2 inputs, not one image; leave --data out"):
        runner.run()
    assert device.open_workers == 0


def test_a_missing_normalization_stops_the_run(tmp_path: Path, images: Path) -> None:
    judge = Evaluator(DataSpec(f"folder:{images}"))
    runner, device = build(tmp_path, {"a": FakeModel()}, evaluator=judge)
    with pytest.raises(UsageError, match="add --normalize"):
        runner.run()
    assert device.open_workers == 0


def test_each_phase_counts_to_its_end(tmp_path: Path, images: Path) -> None:
    models = {"a": FakeModel(), "b": FakeModel(fails={"load": RuntimeRefused("no")}), "c": FakeModel()}
    progress = Recording()
    ran(tmp_path, models, evaluator=evaluator(images), progress=progress)
    assert progress.phases == [
        ["checking, measuring memory", 3, 3],
        ["timing, in blocks of fresh workers", 1, 1],
        ["classifying images", 2, 2],
    ]


@pytest.mark.parametrize("latency_ns", [MS, after(120, MS, WorkerDied("gone"))])
def test_timing_counts_to_its_end_whatever_ends_it(tmp_path: Path, latency_ns: Any) -> None:
    """Precision is reached after the sixth block, or nobody is left in the first."""
    progress = Recording()
    settings = replace(ONE_BLOCK, min_blocks=6, max_blocks=9)
    ran(tmp_path, {"a": FakeModel(latency_ns), "b": FakeModel(latency_ns)}, settings, progress=progress)
    assert progress.phases[1] == ["timing, in blocks of fresh workers", 9, 9]


def test_memory_that_the_worker_cannot_tell_is_absent_with_its_reason(tmp_path: Path) -> None:
    class Silent(FakeDevice):
        def start_worker(self, python: str) -> WorkerLink:
            return _SilentLink(super().start_worker(python))

    class _SilentLink(WorkerLink):
        def __init__(self, link: WorkerLink) -> None:
            self._link = link

        def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
            answer = self._link.request(command, timeout_s, **fields)
            return {"ok": True, "unavailable": {"rss_bytes": "no /proc"}} if command == "memory" else answer

        def close(self) -> None:
            self._link.close()

    models = {"a": FakeModel()}
    found, _ = ran(tmp_path, models, device=Silent(models))
    memory = found["a"].memory
    assert memory is not None
    assert memory.peak_rss_bytes is None
    assert memory.unavailable["rss_before_load_bytes"] == "no /proc"
    assert memory.unavailable["peak_rss_bytes"] == "the worker did not say"
    assert memory.uss_bytes is None
    assert memory.unavailable["uss_bytes"] == "the worker did not say"
    assert found["a"].status is Status.OK


def test_private_memory_is_that_of_the_last_snapshot(tmp_path: Path) -> None:
    class Growing(FakeDevice):
        snapshots = 0

        def start_worker(self, python: str) -> WorkerLink:
            return _GrowingLink(self, super().start_worker(python))

    class _GrowingLink(WorkerLink):
        def __init__(self, device: Growing, link: WorkerLink) -> None:
            self._device, self._link = device, link

        def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
            answer = self._link.request(command, timeout_s, **fields)
            if command != "memory":
                return answer
            self._device.snapshots += 1
            number = self._device.snapshots
            return {**answer, "pss_bytes": 100 + number, "uss_bytes": 200 + number, "anonymous_bytes": 0}

        def close(self) -> None:
            self._link.close()

    models = {"a": FakeModel()}
    found, _ = ran(tmp_path, models, device=Growing(models))
    memory = found["a"].memory
    assert memory is not None
    assert (memory.pss_bytes, memory.uss_bytes, memory.anonymous_bytes) == (104, 204, 0)
    assert memory.unavailable == {}


def test_probing_closes_its_worker() -> None:
    device = FakeDevice({})
    assert probe_runtime(device, PythonTarget("python3"), None, 1.0).package == "ai-edge-litert"
    assert device.open_workers == 0

    class Dead(FakeDevice):
        def start_worker(self, python: str) -> NoReturn:
            raise WorkerDied("cannot start")

    with pytest.raises(WorkerDied):
        probe_runtime(Dead({}), PythonTarget("python3"), None, 1.0)
