"""A program that takes the official tool's flags, says the official tool's lines, and writes its result file.

It runs nothing: times follow from the model's size, so that every figure of a result can be told beforehand.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import samples, wire

TESTS = Path(__file__).resolve().parent.parent
FLAGS = frozenset({
    "graph", "num_threads", "num_runs", "min_secs", "max_secs", "warmup_runs", "warmup_min_secs", "use_gpu",
    "use_nnapi", "use_xnnpack", "external_delegate_path", "external_delegate_options", "require_full_delegation",
    "report_peak_memory_footprint", "enable_op_profiling", "result_file_path", "signature_to_run_for",
})  # fmt: skip


@dataclass(frozen=True)
class Build:
    """A build of the tool: the flags that it knows, what it prints, and what goes wrong with it.

    ``taken`` is how many of 10 nodes a delegate takes.
    """

    flags: tuple[str, ...] = tuple(sorted(FLAGS))
    levels: bool = True
    percentiles: bool = True
    absent: tuple[str, ...] = ()
    taken: int = 10
    fault: str = ""
    fault_in: str = "result_file_path"
    extra: str = ""
    result: bool = True
    options: Mapping[str, str] = field(default_factory=dict)


def write_tool(path: Path, build: Build | None = None) -> Path:
    """Write the program for a build and return its path."""
    shown = asdict(build or Build())
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(TESTS)!r})\n"
        f"from benchmark_model.official import Build, main\nmain(Build(**{shown!r}))\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def mean_us(size_bytes: int, threads: int) -> float:
    """Return what a run of a model of this size takes."""
    return round(size_bytes / 10 / threads, 1)


def main(build: Build) -> None:
    """Be the tool."""
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
    say = _Sayer(build)
    known = {name: value for name, value in flags.items() if name in build.flags}
    unknown = [f"--{name}={value}" for name, value in flags.items() if name not in build.flags]
    say.info("STARTING!")
    if unknown:
        say.line("WARN", f"Unconsumed cmdline flags: {' '.join(unknown)}")
    say.info(f"Num threads: [{known['num_threads']}]")
    say.info(f"Graph: [{known['graph']}]")
    model = Path(known["graph"])
    if not model.is_file():
        say.fail(f"Could not open '{model}'.")
    say.info(f"Loaded model {model}")
    if build.fault and build.fault_in in known:
        _go_wrong(build.fault, say)
    _delegates(build, known, say)
    _run(build, known, model.stat().st_size, say)


@dataclass(frozen=True)
class _Sayer:
    build: Build

    def line(self, level: str, text: str) -> None:
        stream = sys.stderr if level in ("ERROR", "VERBOSE") else sys.stdout
        print(f"{level}: {text}" if self.build.levels else text, file=stream, flush=True)

    def info(self, text: str) -> None:
        self.line("INFO", text)

    def fail(self, text: str) -> None:
        self.line("ERROR", text)
        self.line("ERROR", "Benchmarking failed.")
        sys.exit(1)


def _go_wrong(fault: str, say: _Sayer) -> None:
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "hang":
        time.sleep(60)
    if fault == "garbage":
        say.info("count=9 first=81913 curr=554")
        sys.exit(0)
    say.fail(fault)


def _delegates(build: Build, known: Mapping[str, str], say: _Sayer) -> None:
    asked = [
        (flag, name, node)
        for flag, name, node in (
            ("use_gpu", "GPU", "TfLiteGpuDelegateV2"),
            ("use_nnapi", "NNAPI", "TfLiteNnapiDelegate"),
            ("use_xnnpack", "XNNPACK", "TfLiteXNNPackDelegate"),
            ("external_delegate_path", "EXTERNAL", "MyDelegate"),
        )
        if known.get(flag, "false") not in ("false", "0")
    ]
    for _, name, node in asked:
        if name in build.absent:
            say.line("WARN", f"{name} acceleration is unsupported on this platform.")
            continue
        _apply(build, known, name, node, say)
    if not asked and known.get("use_xnnpack") != "false":
        say.info("Created TensorFlow Lite XNNPACK delegate for CPU.")
        _replacing(build, "TfLiteXNNPackDelegate", say)


def _replacing(build: Build, node: str, say: _Sayer) -> None:
    say.line(
        "VERBOSE",
        f"Replacing {build.taken} out of 10 node(s) with delegate ({node}) node, yielding 1 partitions for subgraph 0 "
        "(main).",
    )


def _apply(build: Build, known: Mapping[str, str], name: str, node: str, say: _Sayer) -> None:
    if build.taken:
        _replacing(build, node, say)
    if known.get("require_full_delegation") == "true" and build.taken < 10:
        say.fail("Disallowed CPU fallback detected.")
    if build.taken == 10:
        say.info(
            f"Explicitly applied {name} delegate, and the model graph will be completely executed by the delegate."
        )
    elif build.taken:
        say.info(
            f"Explicitly applied {name} delegate, and the model graph will be partially executed by the delegate w/ 1 "
            "delegate kernels."
        )
    else:
        say.info(f"Though {name} delegate is explicitly applied, the model graph will not be executed by the delegate.")


def _run(build: Build, known: Mapping[str, str], size: int, say: _Sayer) -> None:
    mean = mean_us(size, int(known["num_threads"]))
    runs, warmups = int(known["num_runs"]), max(1, int(known["warmup_runs"]))
    low, high = int(mean) - 2, int(mean) + 40
    say.info(f"The input model file size (MB): {size / 1e6:.6g}")
    say.info("Initialized session in 3.337ms.")
    for number, count, average in (("warm", warmups, mean + 30), ("measured", runs, mean)):
        say.info(f"Running benchmark for at least {count} iterations and at least 0 seconds but terminate if exceeding "
                 f"{known['max_secs']} seconds.")  # fmt: skip
        tail = f" p5={low} median={int(average) - 1} p95={high - 1}" if build.percentiles else ""
        begun = high if number == "warm" else low
        if count == 1:
            say.info(f"count=1 curr={average:g}{tail}\n")
        else:
            say.info(f"count={count} first={begun} curr={low} min={low} max={high} avg={average:.6g} std=7{tail}\n")
    first = mean + 30 if warmups == 1 else float(high)
    say.info(f"Inference timings in us: Init: 3337, First inference: {first:g}, Warmup (avg): {mean + 30:.6g}, "
             f"Inference (avg): {mean:.6g}")  # fmt: skip
    say.info("Memory footprint delta from the start of the tool (MB): init=2.43359 overall=8.67578")
    if known.get("report_peak_memory_footprint") == "true":
        say.info("Overall peak memory footprint (MB) via periodic monitoring: 13.1797")
    if known.get("enable_op_profiling") == "true":
        sys.stdout.write(samples.PROFILE)
    sys.stdout.write(build.extra)
    if build.result:
        latency = {"avg": mean / 1e3, "min": low / 1e3, "max": high / 1e3, "stddev": 0.0071, "init": 3.337,
                   "first_inference": first / 1e3, "average_warm_up": (mean + 30) / 1e3}  # fmt: skip
        if build.percentiles:
            latency |= {"median": (int(mean) - 1) / 1e3, "p5": low / 1e3, "p95": (high - 1) / 1e3}
        data = wire.result(latency, runs=runs, warmups=warmups, size_mb=size / 1e6)
        Path(known["result_file_path"]).write_bytes(data)
