"""How far the comparisons can be trusted: drives the command line from outside and prints figures.

Not a test: nothing here passes or fails. One core is kept busy meanwhile, unless --quiet is given.

    python tests/proofs/measurement.py identical --count 100 --budget 10s
    python tests/proofs/measurement.py slower --percent 5 --count 40 --budget 10s
    python tests/proofs/measurement.py sequential --count 40 --budget 10s

``identical`` compares a model with its own copy: how often is it called different, and how much does the ratio vary?
``slower`` compares a stack of equal convolutions with one that has so many more. ``sequential`` gives each of two equal
models half of the budget, one after the other, as most tools do: the spread to compare with.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from stacks import write_stack

#: Layer size of the stack that takes about 0.3 ms on one core of a server, and of the one that takes about 8 ms.
SIZES = {"small": (20, 20), "large": (44, 44)}


def main() -> None:
    """Run one experiment and print its figures."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder, _busy_core(not options.quiet):
        place = Path(folder)
        size, channels = SIZES[options.model]
        layers = 100 // options.percent if options.experiment == "slower" else 20
        base = write_stack(place / "base.tflite", layers, size=size, channels=channels)
        other = place / "other.tflite"
        if options.experiment == "slower":
            write_stack(other, layers + 1, size=size, channels=channels)
        else:
            shutil.copy(base, other)
        measure = _sequential if options.experiment == "sequential" else _paired
        results = []
        for number in range(options.count):
            results.append(measure(base, other, place / "results", options.budget))
            print(f"{number + 1}: {results[-1]}", flush=True)
    _summarise(results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("identical", "slower", "sequential"))
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--budget", default="10s")
    parser.add_argument("--percent", type=int, default=5, help="how much slower, for slower")
    parser.add_argument("--model", choices=tuple(SIZES), default="small")
    parser.add_argument("--quiet", action="store_true", help="keep no core busy")
    return parser


@contextlib.contextmanager
def _busy_core(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        hog.kill()
        hog.wait()


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


def _sequential(base: Path, other: Path, out: Path, budget: str) -> dict[str, Any]:
    start = time.monotonic()
    half = f"{float(budget.removesuffix('s')) / 2:g}s"
    flags = ("--blocks", "1", "--min-time", half, "--max-time", half, "--max-runs", "1000000", "--out", str(out))
    first, second = (_run(f"m/one={path}", *flags)["cases"][0]["latency"]["p50_ns"] for path in (base, other))
    return {"ratio": second / first, "difference": None, "seconds": round(time.monotonic() - start, 1)}


def _summarise(results: list[dict[str, Any]]) -> None:
    ratios = [math.log(result["ratio"]) for result in results if result["ratio"]]
    said = [result["difference"] for result in results]
    seconds = np.median([result["seconds"] for result in results])
    print(f"{len(results)} comparisons, median {seconds:.1f} s each")
    print(f"ratio: mean {math.exp(float(np.mean(ratios))):.4f}, standard deviation {100 * float(np.std(ratios)):.2f} %")
    for verdict in sorted({text for text in said if text}):
        print(f"{verdict}: {said.count(verdict)}")


if __name__ == "__main__":
    main()
