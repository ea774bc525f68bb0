"""How far the comparisons can be trusted: drives the command line from outside and prints figures.

Not a test: nothing here passes or fails. One core is kept busy meanwhile, unless --quiet is given.

    python tests/proofs/measurement.py identical --count 100 --budget 10s
    python tests/proofs/measurement.py slower --percent 5 --count 40 --budget 10s
    python tests/proofs/measurement.py sequential --count 40 --budget 10s
    python tests/proofs/measurement.py overhead --count 10
    python tests/proofs/measurement.py controller --count 3
    python tests/proofs/measurement.py defaults --count 3

``identical`` compares a model with its own copy: how often is it called different, and how much does the ratio vary?
``slower`` compares a stack of equal convolutions with one that has so many more. ``sequential`` does each comparison
twice: once as ``identical`` does, and once with one model after the other, as most tools do, in the same wall time: the
spreads to compare. ``overhead`` divides the median that ``edgebench run`` reports by that of ``bare_loop.c``, which it
compiles with gcc against the installed ai-edge-litert. ``controller`` tells what share of a core edgebench itself uses
while its workers run. ``defaults`` tells how long the sample takes with default settings.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from busy import busy_core
from stacks import write_stack

ROOT = Path(__file__).resolve().parent.parent.parent
#: Layer size of the stack that takes about 0.3 ms on one core of a server, and of the one that takes about 8 ms.
SIZES = {"small": (10, 20), "large": (24, 44)}
#: Time after the start of timing at which the controller's workers are surely loaded.
_LOADED_S = 2.0
#: In less than this the larger model has too few samples for a median.
_LEAST_S = 0.3


def main() -> None:
    """Run one experiment and print its figures."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder, busy_core(not options.quiet):
        EXPERIMENTS[options.experiment](options, Path(folder))


def _models(options: argparse.Namespace, place: Path) -> tuple[Path, Path]:
    """Write the base and what it is compared with: its copy or, for ``slower``, a stack with one layer more."""
    size, channels = SIZES[options.model]
    slower = options.experiment == "slower"
    base = write_stack(place / "base.tflite", 100 // options.percent if slower else 20, size=size, channels=channels)
    other = place / "other.tflite"
    if slower:
        return base, write_stack(other, 100 // options.percent + 1, size=size, channels=channels)
    shutil.copy(base, other)
    return base, other


def _compare(options: argparse.Namespace, place: Path) -> None:
    base, other = _models(options, place)
    results = []
    for number in range(options.count):
        results.append(_paired(base, other, place / "results", options.budget))
        print(f"{number + 1}: {results[-1]}", flush=True)
    _summarise(results)


def _compare_both_ways(options: argparse.Namespace, place: Path) -> None:
    base, other = _models(options, place)
    out = place / "results"
    start = time.monotonic()
    _alone(base, out, _LEAST_S)
    own_s = time.monotonic() - start - _LEAST_S
    paired, sequential = [], []
    for number in range(options.count):
        paired.append(_paired(base, other, out, options.budget))
        sequential.append(_sequential(base, other, out, max(_LEAST_S, paired[-1]["seconds"] / 2 - own_s)))
        print(f"{number + 1}: in turns {paired[-1]}, one after the other {sequential[-1]}", flush=True)
    for title, results in (("in turns", paired), ("one after the other", sequential)):
        print(f"{title}:")
        _summarise(results)


def _overhead(options: argparse.Namespace, place: Path) -> None:
    base, _ = _models(options, place)
    program = _compile_bare_loop(place)
    ratios = []
    for number in range(options.count):
        figures = {}
        for name in ("harness", "bare") if number % 2 else ("bare", "harness"):
            if name == "harness":
                figures[name] = float(_alone(base, place / "results", options.seconds))
            else:
                done = subprocess.run([program, base, str(options.seconds)], capture_output=True, text=True, check=True)
                figures[name] = float(done.stdout)
        ratios.append(figures["harness"] / figures["bare"])
        both = ", ".join(f"{name} {figures[name] / 1e6:.4f} ms" for name in ("harness", "bare"))
        print(f"{number + 1}: harness / bare {ratios[-1]:.4f} ({both})", flush=True)
    print(f"median of {len(ratios)} ratios: {np.median(ratios):.4f}")


def _compile_bare_loop(place: Path) -> Path:
    """Compile the loop against the library in the installed package, whose headers are not needed."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        raise SystemExit("overhead: ai-edge-litert is not installed")
    folder = Path(spec.origin).parent
    source, program = Path(__file__).with_name("bare_loop.c"), place / "bare_loop"
    library = folder / "libLiteRt.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-o", program, source, library, f"-Wl,-rpath,{folder}"], check=True)
    return program


def _controller(options: argparse.Namespace, place: Path) -> None:
    base, other = _models(options, place)
    shares = []
    for number in range(options.count):
        shares.append(_controller_share(base, other, place / "results", options.seconds))
        print(f"{number + 1}: the controller used {100 * shares[-1]:.2f} % of a core", flush=True)
    print(f"median: {100 * np.median(shares):.2f} % of a core")


def _controller_share(base: Path, other: Path, out: Path, seconds: float) -> float:
    """Return the CPU time of edgebench itself by the time that passes, while its two workers take turns."""
    each = f"{(_LOADED_S + seconds) / 2 + 2:g}s"  # the two together are still at it when the last figure is read
    command = [sys.executable, "-m", "edgebench", "run", f"m/base={base}", f"m/other={other}", *_one_block(each)]
    with subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        if not any(line.startswith("timing") for line in process.stderr):
            raise SystemExit("controller: edgebench ended before it timed anything")
        time.sleep(_LOADED_S)
        start, before = time.monotonic(), _cpu_s(process.pid)
        time.sleep(seconds)
        share = (_cpu_s(process.pid) - before) / (time.monotonic() - start)
        if process.poll() is not None:
            raise SystemExit("controller: edgebench ended before the last figure was read")
        process.stderr.read()
    return share


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process without its children, in s: utime + stime of proc(5), /proc/PID/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _defaults(options: argparse.Namespace, place: Path) -> None:
    seconds = []
    for number in range(options.count):
        start = time.monotonic()
        record = _run(str(ROOT / "models" / "sample"), "--threads", "1,2", "--out", str(place / "results"))
        seconds.append(time.monotonic() - start)
        print(f"{number + 1}: {len(record['cases'])} cases in {seconds[-1]:.1f} s", flush=True)
    print(f"median: {np.median(seconds):.1f} s")


EXPERIMENTS = {
    "identical": _compare,
    "slower": _compare,
    "sequential": _compare_both_ways,
    "overhead": _overhead,
    "controller": _controller,
    "defaults": _defaults,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=tuple(EXPERIMENTS))
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--budget", default="10s")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of each figure of overhead and controller")
    parser.add_argument("--percent", type=int, default=5, help="how much slower, for slower")
    parser.add_argument("--model", choices=tuple(SIZES), default="small")
    parser.add_argument("--quiet", action="store_true", help="keep no core busy")
    return parser


def _run(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "edgebench", "run", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _paired(base: Path, other: Path, out: Path, budget: str) -> dict[str, Any]:
    start = time.monotonic()
    record = _run(f"m/base={base}", f"m/other={other}", "--baseline", "base", "--budget", budget, "--out", str(out))
    found = next(case["comparison"] for case in record["cases"] if case["comparison"])
    kept = ("ratio", "low", "high", "blocks", "difference")
    return {**{key: found[key] for key in kept}, "seconds": round(time.monotonic() - start, 1)}


def _sequential(base: Path, other: Path, out: Path, seconds: float) -> dict[str, Any]:
    start = time.monotonic()
    first, second = (_alone(path, out, seconds) for path in (base, other))
    return {"ratio": second / first, "difference": None, "seconds": round(time.monotonic() - start, 1)}


def _alone(path: Path, out: Path, seconds: float) -> float:
    """Return the median latency in ns that a run of one model in one process reports."""
    found = _run(f"m/one={path}", *_one_block(f"{seconds:.3f}s"), "--out", str(out))
    return float(found["cases"][0]["latency"]["p50_ns"])


def _one_block(duration: str) -> tuple[str, ...]:
    return ("--blocks", "1", "--min-time", duration, "--max-time", duration, "--max-runs", "1000000")


def _summarise(results: list[dict[str, Any]]) -> None:
    ratios = [math.log(result["ratio"]) for result in results if result["ratio"]]
    said = [result["difference"] for result in results]
    seconds = np.median([result["seconds"] for result in results])
    print(f"{len(results)} comparisons, median {seconds:.1f} s each")
    if len(ratios) < len(results):
        print(f"without a ratio, for want of blocks (give a larger --budget): {len(results) - len(ratios)}")
    if not ratios:
        return
    print(f"ratio: mean {math.exp(float(np.mean(ratios))):.4f}, standard deviation {100 * float(np.std(ratios)):.2f} %")
    for verdict in sorted({text for text in said if text}):
        print(f"{verdict}: {said.count(verdict)}")
    if any(said):
        print(f"called different: {sum(verdict in ('faster', 'slower') for verdict in said)} of {len(results)}")
        halves = [math.expm1(math.log(one["high"] / one["low"]) / 2) for one in results if one.get("low")]
        print(f"median half-width of the interval: {100 * float(np.median(halves)):.2f} %")


if __name__ == "__main__":
    main()
