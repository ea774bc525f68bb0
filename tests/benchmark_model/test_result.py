"""From what the tool told to a case's result."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edgebench.benchmark_model.figures import Applied, BenchmarkLog, Delegates, Replaced, Statistics, Took
from edgebench.benchmark_model.log import parse_log
from edgebench.benchmark_model.proto import parse_result
from edgebench.benchmark_model.result import delegation_of, latency_of, memory_of, merged, operators_of
from edgebench.errors import ProtocolError
from edgebench.records import Coverage, Delegate, DelegateKind

from . import samples, wire

MS = 1_000_000.0
GPU = Delegate(DelegateKind.GPU)


def log(**delegates: object) -> BenchmarkLog:
    return BenchmarkLog("", delegates=Delegates(**delegates))  # type: ignore[arg-type]


def test_the_result_files_digits_go_before_the_logs() -> None:
    told = parse_log(samples.WHOLE)
    result = parse_result(wire.result({"avg": 56.26583, "min": 54.669, "max": 60.236, "median": 56.2004},
                                      runs=1061, warmups=9))  # fmt: skip
    found = merged(told, result)
    assert found.measured is not None
    assert (found.measured.mean_ns, found.measured.median_ns) == (56.26583 * MS, 56.2004 * MS)
    assert (found.measured.p95_ns, found.measured.stdev_ns) == (58.123 * MS, 0.982 * MS)
    assert found.init_ns == told.init_ns
    assert merged(told, None) is told


@pytest.mark.parametrize(
    ("runs", "mean", "said"), [(50, 56.2658, "is of 50 runs, the log of 1061"), (1061, 40.0, "average is 40 ms")]
)
def test_a_result_file_of_another_run(runs: int, mean: float, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        merged(parse_log(samples.WHOLE), parse_result(wire.result({"avg": mean}, runs=runs, warmups=9)))


def test_percentiles_need_as_many_runs_as_ours() -> None:
    told = parse_log(samples.WHOLE)
    whole = latency_of(told)
    assert (whole.p50_ns, whole.p95_ns, whole.count) == (56.2 * MS, 58.123 * MS, 1061)
    assert set(whole.unavailable) == {"p90_ns", "p99_ns"}
    assert told.measured is not None
    few = latency_of(replace(told, measured=replace(told.measured, count=10)))
    assert (few.p50_ns, few.unavailable["p50_ns"]) == (None, "n too small: 10 samples, 11 needed")


@pytest.mark.parametrize("text", [samples.OLD_CUT_OFF, samples.DRY_RUN, samples.MEMORY, samples.README_TIMINGS])
def test_without_statistics_there_is_no_latency(text: str) -> None:
    with pytest.raises(ProtocolError, match="benchmark_model ended without statistics of its runs"):
        latency_of(parse_log(text))


def test_memory_says_what_it_is() -> None:
    found = memory_of(parse_log(samples.WHOLE))
    assert (found.peak_rss_bytes, found.grown_at_init_bytes, found.grown_bytes) == (13819917, 2551804, 9097215)
    assert found.definition is not None
    assert found.model_adds_bytes is None
    assert memory_of(parse_log(samples.LITERT)).unavailable["peak_rss_bytes"] == "benchmark_model does not report it"


def test_delegation_in_nodes_where_the_build_tells_them() -> None:
    cpu = delegation_of(parse_log(samples.CPU), Delegate(DelegateKind.DEFAULT))
    assert (cpu.coverage, cpu.delegated_nodes, cpu.total_nodes, cpu.partitions) == (Coverage.FULL, 58, 58, 1)
    gpu = delegation_of(parse_log(samples.GPU), GPU)
    assert (gpu.coverage, gpu.delegated_nodes, gpu.total_nodes) == (Coverage.FULL, 58, 58)
    part = delegation_of(parse_log(samples.WHOLE), GPU)
    assert (part.coverage, part.delegated_nodes, part.partitions) == (Coverage.PARTIAL, None, 3)
    assert part.unavailable["cpu_operators"] == "benchmark_model does not name them"


def test_delegation_as_the_gpu_delegate_divides_the_graph() -> None:
    found = delegation_of(parse_log(samples.LOGCAT), GPU)
    assert (found.coverage, found.delegated_nodes, found.total_nodes) == (Coverage.PARTIAL, 294, 306)
    assert dict(found.cpu_operators) == {"RESHAPE": None, "SPLIT": None}


def test_nodes_of_several_subgraphs_and_of_other_delegates() -> None:
    told = log(
        replaced=(
            Replaced("TfLiteGpuDelegateV2", 3, 5, 1, "subgraph 0"),
            Replaced("TfLiteGpuDelegateV2", 2, 4, 2, "subgraph 1"),
            Replaced("TfLiteXNNPackDelegate", 2, 2, 1, "subgraph 0"),
        )
    )
    found = delegation_of(told, GPU)
    assert (found.coverage, found.delegated_nodes, found.total_nodes, found.partitions) == (Coverage.PARTIAL, 5, 9, 3)
    mine = log(applied=(Applied("EXTERNAL", Took.ALL),), replaced=(Replaced("MyDelegate", 9, None, 1),))
    external = delegation_of(mine, Delegate(DelegateKind.EXTERNAL, "lib.so"))
    assert (external.coverage, external.delegated_nodes, external.total_nodes) == (Coverage.FULL, 9, None)


def test_what_is_not_told_of_a_delegate_is_unknown() -> None:
    assert delegation_of(log(), GPU).coverage is Coverage.UNKNOWN
    assert delegation_of(log(created=("XNNPACK",)), Delegate(DelegateKind.DEFAULT)).coverage is Coverage.UNKNOWN
    assert delegation_of(log(absent=("GPU",)), GPU).coverage is Coverage.NOTHING
    assert delegation_of(log(), Delegate(DelegateKind.NONE)).coverage is Coverage.NOTHING
    idle = delegation_of(log(applied=(Applied("GPU", Took.NOTHING),)), GPU)
    assert (idle.coverage, idle.delegated_nodes) == (Coverage.NOTHING, 0)


@pytest.mark.parametrize("name", ["PROFILE", "OLD_PROFILE", "CSV_PROFILE"])
def test_shares_add_up_to_the_time_of_a_run(name: str) -> None:
    told = parse_log(getattr(samples, name))
    found = operators_of(told, 70 * MS)
    assert found is not None
    assert sum(item.share or 0.0 for item in found.operators) == pytest.approx(1.0)
    assert sum(item.time_us for item in found.operators) == pytest.approx(found.operators_us)
    assert sum(item.share for item in found.types) == pytest.approx(1.0)
    assert (found.plain_us, found.reported_by) == (70_000.0, "benchmark_model")


def test_operators_are_known_by_the_tensors_that_they_write() -> None:
    text = samples.PROFILE.replace("[M/Softmax]:2", "[a, b]:2").replace("[M/Conv2d_0/Relu6]:0", "LiteRT::Run[sync]/0")
    found = operators_of(parse_log(text), MS)
    assert found is not None
    assert [item.output_names for item in found.operators] == [(), (), ("a", "b")]


def test_a_delegates_own_node_is_not_the_cpus() -> None:
    told = parse_log(samples.PROFILE.replace("                SOFTMAX", "    TfLiteGpuDelegateV2"))
    found = operators_of(told, MS)
    assert found is not None
    assert [item.key.delegated for item in found.operators] == [False, True, True]
    assert operators_of(parse_log(samples.CPU), MS) is None
    assert operators_of(replace(told, profile=told.profile[:1]), MS) is None


def test_a_profile_whose_shares_are_all_nothing_goes_by_times() -> None:
    (part,) = parse_log(samples.OLD_PROFILE).profile
    nodes = tuple(replace(node, share=0.0) for node in part.nodes)
    found = operators_of(BenchmarkLog("", profile=(replace(part, nodes=nodes, total=None),)), MS)
    assert found is not None
    assert found.operators_us == pytest.approx(6_400.0)
    assert found.operators[0].share == pytest.approx(4.3 / 6.4)


def test_statistics_without_a_minimum_are_none() -> None:
    with pytest.raises(ProtocolError):
        latency_of(BenchmarkLog("", measured=Statistics(5, mean_ns=1.0)))
