"""How far ``edgebench compare --interleave`` can be trusted: drives the command line from outside and prints figures.

Not a test: nothing here passes or fails. One core is kept busy meanwhile, unless --quiet is given.

    python tests/proofs/interleave.py slower --count 20 --budget 10s
    python tests/proofs/interleave.py same --count 20 --budget 10s

``slower`` compares a stack of 20 equal convolutions with one of 23 under the same case id, 15 % more work. ``same``
compares the stack with itself. Both tell how often the ratio's one-sided lower bound is above --limit: that is how
often a gate ``p50 <= 1.05x`` fails.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from busy import busy_core
from stacks import write_stack

#: Layers of the base and, for ``slower``, of the new build: 15 % more.
_BASE, _SLOWER = 20, 23


def main() -> None:
    """Run one experiment and print its figures."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder, busy_core(not options.quiet):
        place = Path(folder)
        base = write_stack(place / "base.tflite", _BASE, size=10, channels=20)
        layers = _SLOWER if options.experiment == "slower" else _BASE
        new = write_stack(place / "new.tflite", layers, size=10, channels=20)
        found = []
        for number in range(options.count):
            found.append(_compared(base, new, place / "results", options.budget))
            print(f"{number + 1}: {found[-1]}", flush=True)
        _summarise(found, options.limit)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("slower", "same"))
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--budget", default="10s")
    parser.add_argument("--limit", type=float, default=1.05, help="the ratio that a gate would allow")
    parser.add_argument("--quiet", action="store_true", help="keep no core busy")
    return parser


def _compared(base: Path, new: Path, out: Path, budget: str) -> dict[str, Any]:
    start = time.monotonic()
    sides = (f"stack/build={base}", f"stack/build={new}")
    flags = ("--interleave", "--budget", budget, "--out", str(out), "--format", "json", "--quiet")
    command = [sys.executable, "-m", "edgebench", "compare", *sides, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (case,) = json.loads(done.stdout)["comparisons"][0]["cases"]
    kept = ("value", "low", "high", "one_sided_low", "verdict")
    changes = {change["name"]: change for change in case["changes"]}
    figures = {key: changes["p50"][key] for key in kept}
    memory = {name: changes[name]["verdict"] for name in ("peak_rss", "model_adds") if name in changes}
    return {**figures, **memory, "seconds": round(time.monotonic() - start, 1)}


def _summarise(found: list[dict[str, Any]], limit: float) -> None:
    known = [item for item in found if item["one_sided_low"] is not None]
    seconds = np.median([item["seconds"] for item in found])
    print(f"{len(found)} comparisons, median {seconds:.1f} s each")
    if len(known) < len(found):
        print(f"without an interval, for want of blocks (give a larger --budget): {len(found) - len(known)}")
    if not known:
        return
    logs = [math.log(item["value"]) for item in known]
    halves = [math.expm1(math.log(item["high"] / item["low"]) / 2) for item in known]
    print(f"ratio: mean {math.exp(float(np.mean(logs))):.4f}, standard deviation {100 * float(np.std(logs)):.2f} %")
    print(f"median half-width of the interval: {100 * float(np.median(halves)):.2f} %")
    above = sum(item["one_sided_low"] > limit for item in known)
    print(f"lower bound above {limit:g}: {above} of {len(found)}")
    for name in ("verdict", "peak_rss", "model_adds"):
        counts = collections.Counter(str(item.get(name)) for item in found)
        said = ", ".join(f"{word} {number}" for word, number in sorted(counts.items()))
        print(f"{'p50' if name == 'verdict' else name}: {said}")


if __name__ == "__main__":
    main()
