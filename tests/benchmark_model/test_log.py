"""The parser of logs: every generation, whatever stands before lines, and nothing that is not there."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from edgebench.benchmark_model.figures import (
    Applied,
    BenchmarkLog,
    Delegates,
    Footprint,
    ProfiledNode,
    Replaced,
    Statistics,
    Took,
    Tool,
)
from edgebench.benchmark_model.log import parse_log
from edgebench.benchmark_model.numbers import statistics_of
from edgebench.errors import ProtocolError

from . import samples

US = 1_000.0
MS = 1_000_000.0
#: Logs of whole runs of the C++ tools.
RUNS = {name: getattr(samples, name) for name in ("WHOLE", "CPU", "GPU", "LITERT", "OLDEST", "DRY_RUN")}


def us(count: int, first: float, last: float, low: float, high: float, mean: float, stdev: float) -> Statistics:
    return Statistics(count, *(round(US * value, 3) for value in (first, last, low, high, mean, stdev)))


def test_a_whole_log_of_the_classic_tool() -> None:
    log = parse_log(samples.WHOLE)
    assert log.measured == Statistics(
        1061, 56576 * US, 56299 * US, 54669 * US, 60236 * US, 56_265_800.0, 982 * US, 55001 * US, 56200 * US, 58123 * US
    )
    assert log.warmup is not None
    assert (log.warmup.count, log.warmup.median_ns) == (9, 56010 * US)
    assert (log.init_ns, log.first_inference_ns) == (38_467_000.0, 81_913_000.0)
    assert (log.threads, log.graph, log.model_size_bytes) == (4, "/data/local/tmp/m.tflite", 8_836_950)
    assert log.footprint == Footprint(2551804, 9097215, 13819917, 13 << 20, 7 << 20, 6 << 20)
    assert log.delegates == Delegates(applied=(Applied("GPU", Took.PART, 3),))
    assert (log.tool, log.text, log.unconsumed, log.errors) == (Tool.CLASSIC, samples.WHOLE, (), ())


def test_the_cpu_without_percentiles() -> None:
    log = parse_log(samples.CPU)
    assert log.warmup == us(9, 81913, 55502, 55502, 81913, 58984.7, 8115)
    assert log.measured == us(1061, 56576, 56299, 54669, 60236, 56265.8, 982)
    assert log.init_ns == 3_337_000.0
    assert log.footprint == Footprint(peak_bytes=97767444)
    assert log.delegates.replaced == (Replaced("TfLiteXNNPackDelegate", 58, 58, 1, "the whole graph"),)
    assert (log.delegates.created, log.delegates.applied) == (("XNNPACK",), ())


def test_the_gpu() -> None:
    log = parse_log(samples.GPU)
    assert log.delegates.applied == (Applied("GPU", Took.ALL),)
    assert log.delegates.created == ("GPU",)
    assert (log.init_ns, log.first_inference_ns) == (842_225_000.0, 115_098_000.0)
    assert log.measured == us(1694, 35688, 33419, 30394, 42335, 35134.9, 1733)


def test_an_old_log_that_ends_after_warm_up_has_measured_nothing() -> None:
    log = parse_log(samples.OLD_CUT_OFF)
    assert log.measured is None
    assert log.warmup == us(20, 31530, 28680, 27679, 31530, 28473, 769)
    assert (log.init_ns, log.first_inference_ns) == (10_115_400_000.0, 31_530_000.0)
    assert log.delegates.applied == (Applied("GPU", Took.ALL),)


def test_memory_alone() -> None:
    log = parse_log(samples.MEMORY)
    assert log.footprint == Footprint(2551804, 9097215, 13819917, 13 << 20, 7 << 20, 6 << 20)
    assert (log.measured, log.warmup, log.init_ns) == (None, None, None)


def test_memory_as_older_builds_call_it() -> None:
    log = parse_log("Peak memory footprint (MB): init=4.92969 overall=138.809\n")
    assert log.footprint == Footprint(5169155, 145551786)


@pytest.mark.parametrize("text", [samples.PYTHON, samples.PYTHON_JSON])
def test_litert_in_python(text: str) -> None:
    log = parse_log(text)
    assert (log.tool, log.fully_accelerated) == (Tool.PYTHON, True)
    assert log.warmup == Statistics(5, first_ns=0.23 * MS, mean_ns=0.07 * MS)
    assert log.measured is not None
    assert (log.measured.count, log.measured.mean_ns, log.measured.max_ns) == (20, 0.02 * MS, 0.03 * MS)
    assert (log.measured.stdev_ns, log.measured.p95_ns) == (0.0, 0.02 * MS)
    assert (log.init_ns, log.first_inference_ns) == (7.28 * MS, 0.23 * MS)
    assert log.footprint == Footprint()


def test_a_result_in_json_that_is_none() -> None:
    with pytest.raises(ProtocolError, match="no result of litert-benchmark: KeyError"):
        parse_log('{"latency": {}}')


def test_litert_whose_deviation_has_no_unit() -> None:
    log = parse_log(samples.LITERT)
    assert (log.tool, log.signature) == (Tool.LITERT, "prefill_1024")
    assert log.warmup == Statistics(1, first_ns=7441.04 * MS, mean_ns=7441.04 * MS)
    assert log.measured == Statistics(
        10, min_ns=7416.4 * MS, max_ns=7448.86 * MS, mean_ns=7430.2 * MS, stdev_ns=9.92 * MS
    )
    assert log.init_ns == 23744.73 * MS
    assert log.footprint == Footprint(6702225162, 6702225162)


def test_litert_with_its_statistics_lines_which_tell_more_digits() -> None:
    log = parse_log(
        "INFO: Initialized session in 4.478ms.\n"
        "INFO: count=1055 first=1033 curr=473 min=443 max=1033 avg=465.319 std=18 p5=459 median=463 p95=478\n\n"
        "INFO: count=2112 first=463 curr=459 min=442 max=979 avg=464.545 std=13 p5=460 median=462 p95=478\n\n"
        "INFO: [./litert/tools/benchmark_litert_model.h:81] \n========== BENCHMARK RESULTS ==========\n"
        "INFO: [./litert/tools/benchmark_litert_model.h:82] Model initialization: 4.48 ms\n"
        "INFO: [./litert/tools/benchmark_litert_model.h:88] Inference (avg):      0.46 ms (2112 runs)\n"
        "INFO: [./litert/tools/benchmark_litert_model.h:114] Init footprint:       8.94 MB\n"
    )
    assert log.tool is Tool.LITERT
    assert log.measured is not None
    assert (log.measured.count, log.measured.mean_ns, log.measured.median_ns) == (2112, 464_545.0, 462_000.0)
    assert (log.init_ns, log.first_inference_ns) == (4_478_000.0, 1_033_000.0)


def test_logcat_with_what_the_gpu_delegate_refuses() -> None:
    log = parse_log(samples.LOGCAT)
    assert (log.delegates.gpu_operations, log.delegates.cpu_operations) == (294, 12)
    assert log.delegates.refused == (
        ("RESHAPE", 'Tensor "reshape_11" has bad input dims size: 5.'),
        ("SPLIT", "Operation is not supported."),
    )
    assert log.measured == Statistics(mean_ns=14_575_200.0)
    assert (log.init_ns, log.first_inference_ns, log.errors) == (5_685_000.0, 18_535_000.0, ())


def test_scientific_notation_equal_runs_and_none() -> None:
    log = parse_log(samples.EXACT)
    assert log.warmup is not None
    assert log.warmup.mean_ns == 1_300_400_000.0
    assert log.measured == Statistics(3, 12 * US, 12 * US, 12 * US, 12 * US, 12 * US, 0.0, 12 * US, 12 * US, 12 * US)
    dry = parse_log(samples.DRY_RUN)
    assert dry.warmup == dry.measured == Statistics(0)
    assert dry.first_inference_ns is None


def test_the_oldest_logs() -> None:
    log = parse_log(samples.OLDEST)
    assert (log.init_ns, log.first_inference_ns) == (4_452_000.0, 146_161_000.0)
    assert log.measured == us(50, 137789, 137254, 137079, 143416, 137722, 896)
    readme = parse_log(samples.README_TIMINGS)
    assert (readme.init_ns, readme.measured) == (38_467_000.0, Statistics(mean_ns=79_760_900.0))
    tail = parse_log(
        "Average inference timings in us: Warmup: 9, Init: 8, Inference: 80.1Overall max resident set = 7 MB"
    )
    assert tail.measured == Statistics(mean_ns=80_100.0)
    first = parse_log("Average inference timings in us: 137722 , Warmup: 146161, \n")
    assert first.measured == Statistics(mean_ns=137_722_000.0)


def test_an_excerpt_with_one_statistics_line_of_two() -> None:
    lines = samples.CPU.splitlines(keepends=True)
    measured = parse_log("".join(line for line in lines if "count=9 " not in line))
    assert measured.measured == us(1061, 56576, 56299, 54669, 60236, 56265.8, 982)
    assert measured.warmup == Statistics(mean_ns=58_984_700.0)
    warmup = parse_log("".join(line for line in lines if "count=1061 " not in line))
    assert warmup.measured == Statistics(mean_ns=56_265_800.0)
    assert warmup.warmup == us(9, 81913, 55502, 55502, 81913, 58984.7, 8115)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Explicitly applied NNAPI delegate, and the model graph will be partially executed by the delegate w/ 44 "
         "delegate kernels.", Applied("NNAPI", Took.PART, 44)),
        ("Applied XNNPACK delegate, and the model graph will be completely executed w/ the delegate.",
         Applied("XNNPACK", Took.ALL)),
        ("Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.",
         Applied("NNAPI", Took.NOTHING)),
    ],
)  # fmt: skip
def test_delegates_that_were_applied(line: str, expected: Applied) -> None:
    assert parse_log(f"INFO: {line}\n").delegates.applied == (expected,)


def test_other_lines_of_delegates() -> None:
    text = (
        "INFO: Replacing 23 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 2 partitions.\n"
        "WARN: GPU acceleration is unsupported on this platform.\n"
        "ERROR: No operations will run on the GPU, and all 31 operations will run on the CPU.\n"
    )
    found = parse_log(text).delegates
    assert found.replaced == (Replaced("TfLiteNnapiDelegate", 23, None, 2),)
    assert (found.absent, found.gpu_operations, found.cpu_operations) == (("GPU",), 0, 31)
    old = parse_log("First 65 operations will run on the GPU, and the remaining 3 on the CPU.").delegates
    assert (old.gpu_operations, old.cpu_operations) == (65, 3)


def test_flags_that_the_tool_does_not_know_and_its_errors() -> None:
    log = parse_log(
        "WARN: Unconsumed cmdline flags: --enable_op_profilling=true --foo\n"
        "ERROR: Failed to apply GPU delegate.\nERROR: Benchmarking failed.\n"
    )
    assert log.unconsumed == ("--enable_op_profilling=true", "--foo")
    assert log.errors == ("Failed to apply GPU delegate.", "Benchmarking failed.")
    assert parse_log("Benchmarking failed.\n").errors == ("Benchmarking failed.",)


def test_words_about_delegates_that_are_new_are_no_results() -> None:
    text = samples.CPU + "INFO: Created TensorFlow Lite delegate for GPU (of a new kind).\n"
    assert parse_log(text).delegates == parse_log(samples.CPU).delegates


def threadtime(line: str) -> str:
    return f"05-31 10:38:42.583 22206 22206 I tflite  : {line}"


def brief(line: str) -> str:
    return f"I/tflite  (22206): {line}"


def studio(line: str) -> str:
    return f"2023-06-14 10:55:21.084 18088-18088 tflite                  org.tensorflow.lite.benchmark        I  {line}"


def old_studio(line: str) -> str:
    return f"2021-05-26 10:35:38.971 13129-13129/org.tensorflow.lite.benchmark I/tflite: {line}"


def with_user(line: str) -> str:
    return f"05-31 10:38:42.583 +0000 u0_a123 22206 22206 I tflite  : {line}"


def apple(line: str) -> str:
    return f"2020-10-28 14:41:14.151361+0800 TFLiteBenchmark[3921:935759] {line}"


def absl(line: str) -> str:
    return f"I0000 00:00:1699990000.1 123 benchmark.cc:12] {line}"


def ci(line: str) -> str:
    return f"2024-05-31T10:38:42.5830000Z {line}"


def quoted(line: str) -> str:
    return f"> {line}".rstrip(" ")


def coloured(line: str) -> str:
    return f"\x1b[32m{line}\x1b[0m\r"


def echoed(line: str) -> str:
    return f"^[[A\x1b]0;board\x07{line}\x1b[?25h"


def two_bytes(line: str) -> str:
    return "".join(f"{letter}\0" for letter in f"\ufeff{line}\r")


PREFIXES: tuple[Callable[[str], str], ...] = (
    threadtime, brief, studio, old_studio, with_user, apple, absl, ci, quoted, coloured, echoed, two_bytes,
)  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", [*RUNS, "PROFILE", "OLD_PROFILE"])
def test_what_loggers_put_before_lines_changes_nothing(name: str, prefix: Callable[[str], str]) -> None:
    text = getattr(samples, name)
    prefixed = "\n".join(prefix(line) for line in text.split("\n"))
    assert replace(parse_log(prefixed), text=text) == parse_log(text)


@pytest.mark.parametrize("name", RUNS)
def test_a_log_without_levels_says_the_same(name: str) -> None:
    text = RUNS[name]
    bare = text.replace("INFO: ", "").replace("VERBOSE: ", "")
    expected = parse_log(text)
    # Where LiteRT's header is not told from the Python tool's by anything else, its line is.
    assert replace(parse_log(bare), text=text) == expected


@pytest.mark.parametrize("name", RUNS)
def test_what_two_sinks_of_one_logger_wrote_is_one_run(name: str) -> None:
    text = RUNS[name]
    twice = "".join(f"{line}\n{threadtime(line)}\n" for line in text.splitlines())
    assert replace(parse_log(twice), text=text) == parse_log(text)
    assert replace(parse_log(text + text), text=text) == parse_log(text)


@pytest.mark.parametrize("name", RUNS)
def test_a_log_that_ends_early_has_fewer_figures_and_no_other_ones(name: str) -> None:
    lines = RUNS[name].splitlines(keepends=True)
    whole = parse_log(RUNS[name])
    said: list[str] = []
    for end in range(len(lines)):
        try:
            found = parse_log("".join(lines[:end]))
        except ProtocolError as error:
            said.append(str(error))
            continue
        for field in fields(BenchmarkLog):
            value = getattr(found, field.name)
            known = getattr(whole, field.name)
            if field.name in ("text", "tool") or value in (None, known):
                continue
            assert all(getattr(value, part.name) in (None, (), getattr(known, part.name)) for part in fields(value))
    assert said
    assert all("this is no log of benchmark_model" in line for line in said)


def test_a_log_cut_anywhere_is_understood_or_an_error() -> None:
    for text in (samples.WHOLE, samples.LITERT, samples.PROFILE, samples.PYTHON_JSON):
        for end in range(0, len(text), 3):
            try:
                assert parse_log(text[:end]).text == text[:end]
            except ProtocolError:
                continue


def test_two_runs_in_one_log_are_refused_with_both_lines() -> None:
    with pytest.raises(
        ProtocolError, match=r"more than one run in this log: line 3: .*3\.337ms.*line 15: .*842\.225ms"
    ):
        parse_log(samples.CPU + "\n\n" + samples.GPU)
    mixed = samples.CPU.replace("Inference (avg): 56265.8", "Inference (avg): 35134.9")
    with pytest.raises(ProtocolError, match=r"its last average is 35134\.9 us, but line 5: .*avg=56265\.8"):
        parse_log(mixed)
    third = "count=3 first=9 curr=9 min=9 max=10 avg=9.3 std=0\n"
    with pytest.raises(ProtocolError, match=r"line 4: .*count=9 .*, then line 8: 'count=3 first=9"):
        parse_log(samples.CPU + third)
    table = "INFO: \n==============Summary of All Runs w/ Different Performance Options==============\n"
    with pytest.raises(ProtocolError, match="more than one run in this log, line 2"):
        parse_log(table)
    for row in (f"cpu w/ 4 threads (xnnpack): {third}", f"gpu-fp16: {third}", "nnapi(qti-dsp): failed!\n"):
        with pytest.raises(ProtocolError, match="more than one run in this log, line 1"):
            parse_log(f"INFO: {row:>40}")


@pytest.mark.parametrize(
    "line",
    [
        "INFO: count=9 first=81913 curr=55502 min=55502 max=819",
        "INFO: count=9 first=81913 something",
        "INFO: count=9",
        "INFO: count=9 first=81913 curr=554",
        "Inference timings in us: Init: 3337, First inference: 81913",
        "Inference (avg): 766 microseconds",
        "INFO: Initialized session in a while.",
        "INFO: Memory footprint delta from the start of the tool (MB): init=2.4",
        "INFO: The input model file size (MB): large",
        "INFO: Explicitly applied GPU delegate, and the model graph will be somehow executed by the delegate.",
        "INFO: count=50 first=9 curr=9 min=9 max=10 avg=93 std=1",
        "INFO: count=50 first=9 curr=99 min=9 max=10 avg=9.3 std=1",
        "INFO: count=50 first=9 curr=9 min=9 max=10 avg=9.3 std=1 p5=9 median=9 p95=1",
        "INFO: count=50 first=-9 curr=9 min=-9 max=10 avg=9.3 std=1",
        "INFO: count=99999999999999999999 curr=9(all same)",
        "Num threads: [99999999999999999999]",
        "INFO: Initialized session in -3ms.",
        "INFO: Initialized session in 1e306ms.",
        "INFO: Overall peak memory footprint (MB) via periodic monitoring: 1e306",
        "Model initialization:  True",
        "Inference (avg):       7.00 MB (20 runs)",
        "Peak memory:           7.00 ms",
        "Fully accelerated:     3.00 ms",
        "loaded libcdsprpc.soINFO: Inference timings in us: Init: 3337, First",
        "VERBOSE: Replacing 5INFO: count=9 first=81913 curr=55502",
        "INFO: Replacing 58 out of many node(s) with delegate (X) node, yielding 1 partitions for the whole graph.",
    ],
)
def test_a_result_that_is_not_understood_is_quoted(line: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_log(f"STARTING!\n{line}\n")
    assert str(caught.value) == f"not understood, line 2: {line!r}"


@pytest.mark.parametrize("text", ["", "\n\n", "STARTING!\nsh: benchmark_model: not found\n", "count the sheep"])
def test_what_is_no_log(text: str) -> None:
    with pytest.raises(ProtocolError, match="this is no log of benchmark_model: it ends with"):
        parse_log(text)


def random_statistics(chance: random.Random) -> tuple[str, Statistics]:
    """Return a statistics line as the tool would write it, and what it says."""
    values = sorted(chance.randint(1, 10 ** chance.randint(1, 7)) for _ in range(6))
    low, five, median, ninety_five, high, first = (*values[:5], chance.choice(values[:5]))
    count, stdev = chance.randint(2, 10_000), chance.randint(0, 50_000)
    mean = float(f"{chance.uniform(low, high):.6g}")
    text = f"count={count} first={first} curr={first} min={low} max={high} avg={mean:g} std={stdev}"
    found = Statistics(count, first * US, first * US, low * US, high * US, round(mean * US, 3), stdev * US)
    if chance.random() < 0.5:
        text += f" p5={five} median={median} p95={ninety_five}"
        found = replace(found, p5_ns=five * US, median_ns=median * US, p95_ns=ninety_five * US)
    return text, found


def test_any_statistics_are_read_back() -> None:
    chance = random.Random(0)
    for _ in range(500):
        text, expected = random_statistics(chance)
        assert statistics_of(text) == expected


def test_any_two_phases_come_back_in_their_order() -> None:
    chance = random.Random(1)
    for _ in range(200):
        (warmup, first), (measured, second) = random_statistics(chance), random_statistics(chance)
        prefix = chance.choice(PREFIXES)
        log = parse_log("\n".join(prefix(line) for line in (f"INFO: {warmup}", "", f"INFO: {measured}", "")))
        assert (log.warmup, log.measured) == (first, second)


@pytest.mark.parametrize(
    "before", ["loaded libcdsprpc.so", "FO: ", "Feb 03 10:00:01 imx8 sh[12]: ", "- `INFO: ", "[  1.5] x "]
)
def test_what_stands_before_a_result_on_its_line_changes_nothing(before: str) -> None:
    after = "`" if "`" in before else ""
    results = (
        "INFO: count=",
        "INFO: Inference timings",
        "INFO: Memory footprint",
        "INFO: Overall peak",
        "INFO: The input",
    )
    lines = [
        f"{before}{line.removeprefix('INFO: ')}{after}" if line.startswith(results) else line
        for line in samples.WHOLE.split("\n")
    ]
    assert replace(parse_log("\n".join(lines)), text=samples.WHOLE) == parse_log(samples.WHOLE)


def test_a_log_in_which_only_the_measured_runs_can_be_read() -> None:
    lines = samples.WHOLE.splitlines(keepends=True)
    end = next(place for place, line in enumerate(lines) if "Inference timings" in line)
    log = parse_log("".join(line for line in lines[:end] if "count=9 " not in line))
    assert (log.warmup, log.measured) == (None, parse_log(samples.WHOLE).measured)
    dry = parse_log(
        "Running benchmark for at least 0 iterations and at least 0 seconds\ncount=0\n"
        "Running benchmark for at least 0 iterations and at least 0 seconds\ncount=0\n"
    )
    assert dry.warmup == dry.measured == Statistics(0)


def test_parts_of_two_runs_are_told_by_their_averages() -> None:
    warmup = samples.CPU.replace("Warmup (avg): 58984.7", "Warmup (avg): 40199.8")
    with pytest.raises(ProtocolError, match=r"its last average is 40199\.8 us, but line 4: .*avg=58984\.7"):
        parse_log(warmup)
    block = (
        samples.CPU.replace("INFO: Inference timings", "INFO: some timings") + "Inference (avg): 35.13 ms (1694 runs)\n"
    )
    with pytest.raises(ProtocolError, match=r"its last average is 35\.13 ms, but line 5: .*avg=56265\.8"):
        parse_log(block)


def test_of_two_times_of_initialisation_the_one_in_whole_microseconds_is_kept() -> None:
    log = parse_log(
        "Initialized session in 10115.4ms.\n"
        "Inference timings in us: Init: 10115432, First inference: 9, Warmup (avg): 9, Inference (avg): 9\n"
    )
    assert log.init_ns == 10_115_432_000.0


def test_what_delegates_say_of_themselves_where_the_runtime_says_nothing() -> None:
    ethos = "INFO: EthosuDelegate: 1 nodes delegated out of 3 nodes with 1 partitions.\n"
    assert parse_log(ethos).delegates.replaced == (Replaced("EthosuDelegate", 1, 3, 1),)
    qnn = "INFO: [Qnn Delegate] QNN delegate: 47 nodes delegated out of 47 nodes with 1 partitions.\n"
    assert parse_log(qnn).delegates.replaced == (Replaced("QNN", 47, 47, 1),)
    hexagon = "INFO: TfLiteHexagonDelegate delegate: 136 nodes delegated out of 139 nodes with 2 partitions.\n"
    both = (
        hexagon + "VERBOSE: Replacing 136 node(s) with delegate (TfLiteHexagonDelegate) node, yielding 5 partitions.\n"
    )
    assert parse_log(both).delegates.replaced == (Replaced("TfLiteHexagonDelegate", 136, 139, 5),)
    odd = "Replacing 1 out of 2 node(s) with delegate ((null)) node, yielding 1 partitions for subgraph 0.\n"
    assert parse_log(odd).delegates.replaced == (Replaced("(null)", 1, 2, 1, "subgraph 0"),)


def test_operators_that_the_gpu_refuses_without_a_reason() -> None:
    text = (
        "ERROR: Following operations are not supported by GPU delegate:\nDEQUANTIZE: \nCUSTOM FlexErf: Not known.\n"
        "12 operations will run on the GPU, and the remaining 15 operations will run on the CPU.\nCPU: something\n"
    )
    found = parse_log(text).delegates
    assert found.refused == (("DEQUANTIZE", ""), ("CUSTOM FlexErf", "Not known."))
    assert (found.gpu_operations, found.cpu_operations) == (12, 15)


def test_the_gpu_divides_each_subgraph() -> None:
    text = (
        "12 operations will run on the GPU, and the remaining 15 operations will run on the CPU.\n"
        "No operations will run on the GPU, and all 4 operations will run on the CPU.\n"
    )
    found = parse_log(text + text).delegates
    assert (found.gpu_operations, found.cpu_operations) == (12, 19)


@pytest.mark.parametrize("average", ["0.00", "-nan"])
def test_figures_of_no_runs_are_none(average: str) -> None:
    text = samples.LITERT.replace("7441.04", average).replace("(1 runs)", "(0 runs)")
    log = parse_log(text)
    assert (log.warmup, log.first_inference_ns) == (Statistics(0), None)
    log = parse_log(text.replace("7430.20", average).replace("(10 runs)", "(0 runs)"))
    assert log.measured == Statistics(0)
    log = parse_log(samples.PYTHON_JSON.replace('_runs": 5', '_runs": 0').replace('"num_runs": 20', '"num_runs": 0'))
    assert (log.warmup, log.measured, log.first_inference_ns) == (Statistics(0), Statistics(0), None)


def figures_of(log: BenchmarkLog) -> dict[str, float]:
    """Return all figures of a log but a profile's, by name."""
    found = {name: getattr(log, name) for name in ("init_ns", "first_inference_ns", "model_size_bytes")}
    for name in ("warmup", "measured", "footprint"):
        part = getattr(log, name)
        found.update({f"{name}.{item.name}": getattr(part, item.name) for item in fields(part)} if part else {})
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("name", ["WHOLE", "CPU"])
def test_a_line_that_the_width_of_a_terminal_broke_is_no_other_figure(name: str) -> None:
    text = getattr(samples, name)
    expected = figures_of(parse_log(text)).items()
    for place in range(1, len(text)):
        if "\n" in text[place - 1 : place + 1]:
            continue
        try:
            found = parse_log(f"{text[:place]}\n{text[place:].lstrip(' ')}")
        except ProtocolError:
            continue
        assert figures_of(found).items() <= expected, text[:place][-60:]


def test_a_total_of_a_profile_whose_line_is_cut_is_no_phase() -> None:
    text = samples.PROFILE.replace("Timings (micro", "Timings \n(micro")
    assert parse_log(text).warmup is None
    with pytest.raises(ProtocolError, match=r"the rest of a broken line or of another run: line 16: 'count=50"):
        parse_log(samples.PROFILE.replace("count=50", "\ncount=50"))


@pytest.mark.parametrize(("known", "new"), [("7416.40", "8416.40"), ("7448.86", "744.86"), ("7430.20", "74302.0")])
def test_a_block_whose_average_is_not_between_its_extremes(known: str, new: str) -> None:
    with pytest.raises(ProtocolError, match=r"Inference \(avg\) is .* not between"):
        parse_log(samples.LITERT.replace(known, new))


def test_a_block_of_other_runs_than_the_statistics() -> None:
    lines = "count=1 curr=7441040\ncount=10 first=7416400 curr=7430200 min=7416400 max=7448860 avg=7430200 std=9920\n"
    log = parse_log(lines + samples.LITERT)
    assert log.measured is not None
    assert log.measured.count == 10
    with pytest.raises(ProtocolError, match=r"at its end it tells of 11 runs, but line 2: 'count=10"):
        parse_log(lines + samples.LITERT.replace("(10 runs)", "(11 runs)"))


def test_messages_that_an_old_build_put_on_one_line() -> None:
    log = parse_log(
        "ERROR: Next operations are not supported by GPU delegate:\nMEAN: Not known.\nFirst 65 operations will run on "
        "the GPU, and the remaining 3 on the CPU.TfLiteGpuDelegate Invoke: Wrong thread.\nCPU: something\n"
    )
    assert (log.delegates.gpu_operations, log.delegates.refused) == (65, (("MEAN", "Not known."),))
    assert log.errors == ("TfLiteGpuDelegate Invoke: Wrong thread.",)


@pytest.mark.parametrize(
    "last",
    [
        "Segmentation fault (core dumped)",
        "Aborted",
        "Killed",
        "Illegal instruction",
        "what():  std::bad_alloc",
        'CANNOT LINK EXECUTABLE "./benchmark_model": library "libGLESv3.so" not found',
    ],
)
def test_a_run_that_crashed(last: str) -> None:
    assert parse_log(f"INFO: STARTING!\nINFO: Graph: [m.tflite]\n{last}\n").errors == (last,)


def of_process(number: int, line: str) -> str:
    return f"05-31 10:38:42.583 {number:>5} {number + 1:>5} I tflite  : {line.removeprefix('INFO: ')}\n"


def test_what_other_apps_write_to_the_log_of_android_is_none_of_the_tools() -> None:
    other = (
        "Created TensorFlow Lite delegate for GPU.",
        "Replacing 7 out of 9 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 partitions.",
    )
    lines = samples.CPU.splitlines()
    text = "".join(of_process(11, line) + "".join(of_process(99, one) for one in other) for line in lines)
    alone = "".join(of_process(11, line) for line in lines)
    assert replace(parse_log(text), text=alone) == parse_log(alone)
    # Nothing tells which one was the tool.
    assert len(parse_log("".join(of_process(99, one) for one in other)).delegates.replaced) == 1


def test_two_processes_of_the_tool_are_two_runs() -> None:
    text = of_process(11, "Graph: [m.tflite]") + of_process(11, "Failed to apply GPU delegate.")
    text += "".join(of_process(22, line) for line in samples.CPU.splitlines())
    with pytest.raises(
        ProtocolError, match=r"more than one run in this log: line 1: .*, then line 5: .*another process"
    ):
        parse_log(text)
    head = "[litert/tools/benchmark_litert_model.h:94] "
    block = of_process(11, f"{head}Signature name: a") + of_process(22, f"{head}Inference (avg): 7.00 ms (3 runs)")
    with pytest.raises(ProtocolError, match="another process"):
        parse_log(block.replace("tflite", "litert"))


@pytest.mark.parametrize("name", ["CPU", "LITERT", "PYTHON"])
def test_a_run_that_failed_and_one_that_did_not_are_two_runs(name: str) -> None:
    failed = "ERROR: Failed to apply GPU delegate.\nERROR: Benchmarking failed.\n"
    with pytest.raises(ProtocolError, match="more than one run in this log: one that failed"):
        parse_log(failed + getattr(samples, name))


def test_an_old_build_that_failed_in_its_own_words() -> None:
    log = parse_log(
        "STARTING!\nGraph: [m.tflite]\nWARNING: Failed to set a name\nERROR: Delegate kernel was not initialized\n"
        "Failed to apply Hexagon delegate.\nBenchmarking failed.\n"
    )
    assert log.errors == (
        "Delegate kernel was not initialized", "Failed to apply Hexagon delegate.", "Benchmarking failed.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("known", "new"),
    [
        ('"num_runs": 20', '"num_runs": Infinity'),
        ('"num_runs": 20', '"num_runs": -1'),
        ('"avg_ms": 0.02', '"avg_ms": NaN'),
        ('"avg_ms": 0.02', '"avg_ms": true'),
        ('"avg_ms": 0.02', '"avg_ms": 1e400'),
        ('"model_size_mb": 0.0', '"model_size_mb": 1e400'),
        ('"num_threads": 1', '"num_threads": "1"'),
        ('"accelerators": ["CPU"]', '"accelerators": ' + 100_000 * "["),
    ],
)
def test_a_result_in_json_with_what_no_run_has(known: str, new: str) -> None:
    assert known in samples.PYTHON_JSON
    with pytest.raises(ProtocolError, match="no result of litert-benchmark"):
        parse_log(samples.PYTHON_JSON.replace(known, new))


_JUNK = (
    "nan",
    "-inf",
    "1e309",
    40 * "9",
    "-5",
    "\0",
    "\x1b[31m",
    "\r",
    "%",
    "\t",
    "=",
    "INFO: ",
    "\ud800",
    "\u0663",
    "(",
    "\n",
)


def _damaged(text: str, chance: random.Random) -> str:
    begin = chance.randrange(len(text) + 1)
    end = min(len(text), begin + chance.choice((0, 0, 1, 30)))
    return text[:begin] + chance.choice((*_JUNK, "")) + text[end:]


def test_damage_anywhere_is_an_error_of_the_contract_or_nothing() -> None:
    chance = random.Random(2)
    texts = [*RUNS.values(), samples.PROFILE, samples.CSV_PROFILE, samples.GPU_PROFILE, samples.PYTHON_JSON]
    for _ in range(1_500):
        text = _damaged(_damaged(chance.choice(texts), chance), chance)
        try:
            assert parse_log(text).text == text
        except ProtocolError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "piece", ["[node type] [avg ms] ", "\r", "\x1b[", "Subgraph (index: 1, name: ", "=", " \t", "a 1 2 3% ", "INFO: "]
)
def test_long_lines_take_time_in_proportion(piece: str) -> None:
    # What is quadratic would take minutes.
    head = samples.GPU_PROFILE.splitlines()[1]
    with pytest.raises(ProtocolError):
        parse_log(f"{40_000 * piece}\n")
    assert (
        parse_log(f"{samples.CPU}{head}\n{4_000 * piece}\n{100_000 * piece}").measured
        == parse_log(samples.CPU).measured
    )


def node(kind: str, name: str, first: float, mean: float, share: float, **more: float) -> ProfiledNode:
    memory, calls, start = int(more.get("memory", 0)), int(more.get("calls", 1)), more.get("start")
    return ProfiledNode(kind, name, first * MS, mean * MS, share, memory, calls, None if start is None else start * MS)


def test_a_profile_of_both_phases_and_inside_the_delegate() -> None:
    init, regular, internal = parse_log(samples.PROFILE).profile
    assert (init.initialization, regular.initialization, internal.initialization) == (True, False, False)
    assert (regular.delegate_internal, internal.delegate_internal) == (False, True)
    assert init.nodes == (node("AllocateTensors", "AllocateTensors/0", 0.291, 0.146, 1.0, memory=452000, calls=2),)
    assert regular.nodes == (
        node("CONV_2D", "[M/Conv2d_0/Relu6]:0", 4.269, 4.3, 0.6),
        node("Convolution (NHWC, F32) IGEMM", "Delegate/Convolution (NHWC, F32) IGEMM:1", 2.15, 2.1, 0.3, memory=1500),
        node("SOFTMAX", "[M/Softmax]:2", 0.71, 0.7, 0.1),
    )
    assert regular.slowest == regular.nodes
    assert [(item.node_type, item.count, item.share) for item in regular.types] == [
        ("CONV_2D", 1, 0.6), ("Convolution (NHWC, F32) IGEMM", 1, 0.3), ("SOFTMAX", 1, 0.1),
    ]  # fmt: skip
    assert (regular.executed, regular.observed) == (3, 3)
    assert regular.total == us(50, 79449, 81350, 77385, 88213, 79732, 1929)
    assert internal.nodes == (node("conv2d 0", "conv2d 0", 1.1, 1.0, 1.0),)


def test_a_profile_of_an_old_build_tells_when_operators_began() -> None:
    (found,) = parse_log(samples.OLD_PROFILE).profile
    assert found.nodes == (
        node("CONV_2D", "[M/Conv2d_0/Relu6]", 4.269, 4.3, 0.6, calls=0, start=0.0),
        node("DEPTHWISE_CONV_2D", "[M/Conv2d_1, depthwise]", 2.15, 2.1, 0.4, calls=0, start=4.27),
    )


@pytest.mark.parametrize("name", ["PROFILE", "OLD_PROFILE"])
def test_a_profile_whose_tabs_or_titles_were_lost(name: str) -> None:
    text = getattr(samples, name)
    expected = parse_log(text).profile
    assert parse_log(text.expandtabs()).profile == expected
    untitled = "\n".join(line for line in text.split("\n") if "=====" not in line)
    assert parse_log(untitled).profile == expected


def test_a_profile_in_csv_with_commas_in_names() -> None:
    (old,) = parse_log(samples.CSV_PROFILE).profile
    (new,) = parse_log(samples.NEW_CSV_PROFILE).profile
    assert old.nodes[0] == node(
        "CONV_2D", "[sequential_11/conv2d_33/Conv2D, more]:0", 0.11, 0.0930388, 0.448994, start=0.0
    )
    assert old.nodes[1].mean_ns == 10.0
    assert [item.node_type for item in old.types] == ["Fully Connected (NC, F32) GEMM"]
    assert new.nodes == tuple(replace(item, start_ns=None) for item in old.nodes)


def test_the_profile_of_litert_itself_counts_over_all_runs() -> None:
    (found,) = parse_log(samples.GPU_PROFILE).profile
    assert found.nodes == (
        node("DELEGATE", "[Builtin]:0", 0.9, 0.8, 0.4, start=0.0),
        node("Delegate/conv 2d (F16)", "[Delegate]:1", 0.7, 0.6, 0.6, calls=2, start=0.01),
    )
    assert [(item.node_type, item.calls) for item in found.types] == [("Delegate/conv 2d (F16)", 2), ("DELEGATE", 1)]
    assert (found.executed, found.observed, found.total) == (2, 2, None)
    alone = samples.GPU_PROFILE.replace("count=2 curr=20000", "count=1 curr=8000")
    text = "".join(line for line in alone.splitlines(keepends=True) if "Delegate/conv" not in line)
    (found,) = parse_log(text).profile
    assert (found.nodes[0].calls, found.total) == (1, None)


@pytest.mark.parametrize("share", ["-nan%", "nan%", "-nan(ind)%"])
def test_shares_of_no_time_at_all_are_none(share: str) -> None:
    (found,) = parse_log(samples.OLD_PROFILE.replace("60.000%", share).replace("40.000%", share)).profile
    assert [item.share for item in found.nodes] == [0.0, 0.0]


def test_a_profile_that_somebody_indented_and_one_with_other_lines_in_it() -> None:
    expected = parse_log(samples.PROFILE).profile
    assert parse_log("".join(f"\t{line}" for line in samples.PROFILE.splitlines(keepends=True))).profile == expected
    noise = "W [HandleLayoutInfer:291]Op 162: default layout inference pass.\n"
    for text in (samples.PROFILE, samples.PROFILE.expandtabs()):
        assert parse_log("".join(f"{line}{noise}" for line in text.splitlines(keepends=True))).profile == expected


def test_profiles_of_other_graphs() -> None:
    tables = samples.OLD_PROFILE
    text = (
        "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        f"Primary graph (name: main) Run:\n{tables}\n"
        "Subgraph (index: 1, name: cond_true) Run:\n"
        + tables.replace("Timings (micro", "Subgraph (index: 1, name: cond_true) Timings (micro")
    )
    found = parse_log(text).profile
    assert [(part.graph, len(part.nodes), part.total is not None) for part in found] == [
        ("", 2, True), ("cond_true", 2, True),
    ]  # fmt: skip


def test_a_row_that_is_not_understood_is_quoted() -> None:
    with pytest.raises(ProtocolError, match=r"not understood as a row of the profile, line 4: 'CONV_2D\\t +4.269"):
        parse_log(samples.PROFILE.split("\nINFO: Operator")[1].replace("\t 60.000%", "\t a lot", 1))
