"""How far change points can be trusted: simulated series, the same code as `edgebench history`. Prints figures.

    python tests/proofs/history.py same --count 2000
    python tests/proofs/history.py shift --count 1000
    python tests/proofs/history.py outliers --count 1000
    python tests/proofs/history.py spells --count 500
    python tests/proofs/history.py index --count 500

``same``: series whose level never changes; how often is a shift told? ``shift``: one of ``--percent`` from ``--before``
to ``--after`` runs with ``--noise``; how often is it found, where, and does the interval hold the truth? ``outliers``:
both once more with one run in ten taking up to three times as long. ``spells``: what is not promised: no true change,
but neighbouring runs are alike. ``index``: how long it takes to read that many stored runs of ten cases.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgebench.analysis.change_points import FALSE_ALARMS, find_shifts
from edgebench.history import make_history
from edgebench.index import load_index
from edgebench.metrics import Measure, Metric
from stored_runs import write_run

_LENGTHS = (10, 20, 50, 200)
_Floats = np.ndarray[Any, np.dtype[np.float64]]
_Noise = Callable[[np.random.Generator, int], _Floats]


def main() -> None:
    """Run one experiment and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=sorted(EXPERIMENTS))
    parser.add_argument("--count", type=int, default=500, help="series of each kind, or stored runs")
    parser.add_argument("--percent", type=float, default=10.0)
    parser.add_argument("--noise", type=float, default=3.0, help="standard deviation between runs, in percent")
    parser.add_argument("--before", type=int, default=10)
    parser.add_argument("--after", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    EXPERIMENTS[options.experiment](options, np.random.default_rng(options.seed))


def _same(options: argparse.Namespace, rng: np.random.Generator) -> None:
    for name, noise in _kinds(options).items():
        _alarms(f"{name} noise", noise, options, rng)


def _kinds(options: argparse.Namespace) -> dict[str, _Noise]:
    sd = options.noise / 100
    return {
        "normal": lambda rng, count: rng.normal(0, sd, count),
        "skewed": lambda rng, count: rng.exponential(sd, count),
        "Cauchy": lambda rng, count: sd * rng.standard_cauchy(count),
    }


def _alarms(name: str, noise: _Noise, options: argparse.Namespace, rng: np.random.Generator) -> None:
    for length in _LENGTHS:
        alarms = sum(bool(find_shifts(noise(rng, length))) for _ in range(options.count))
        share = 100 * alarms / options.count
        print(f"{name}, {length} runs: {alarms} of {options.count} series shift ({share:.2f} %; {_promised()})")


def _promised() -> str:
    return f"stated: at most {100 * FALSE_ALARMS:g} %"


def _shift(options: argparse.Namespace, rng: np.random.Generator) -> None:
    _found("normal noise", _kinds(options)["normal"], options, rng)


def _found(name: str, noise: _Noise, options: argparse.Namespace, rng: np.random.Generator) -> None:
    by = math.log1p(options.percent / 100)
    found = exact = near = held = 0
    for _ in range(options.count):
        values = noise(rng, options.before + options.after)
        values[options.before :] += by
        shifts = find_shifts(values)
        found += bool(shifts)
        exact += any(shift.first == options.before for shift in shifts)
        close = [shift for shift in shifts if abs(shift.first - options.before) <= 1]
        near += bool(close)
        held += any(
            shift.low is not None and shift.high is not None and shift.low <= by <= shift.high for shift in close
        )
    print(
        f"{options.percent:g} % at {options.noise:g} % {name}, {options.before} + {options.after} runs: found in "
        f"{100 * found / options.count:.1f} % of {options.count}, at that run in {100 * exact / options.count:.1f} %, "
        f"within one run in {100 * near / options.count:.1f} %; of those the 95 % interval holds the truth in "
        f"{100 * held / max(near, 1):.1f} %"
    )


def _outliers(options: argparse.Namespace, rng: np.random.Generator) -> None:
    normal = _kinds(options)["normal"]

    def noise(rng: np.random.Generator, count: int) -> _Floats:
        wild: _Floats = np.where(rng.random(count) < 0.1, rng.uniform(0, math.log(3), count), 0.0)
        return normal(rng, count) + wild

    _alarms("noise with outliers", noise, options, rng)
    _found("noise with outliers", noise, options, rng)


def _spells(options: argparse.Namespace, rng: np.random.Generator) -> None:
    for alike in (0.3, 0.6, 0.9):

        def noise(rng: np.random.Generator, count: int, alike: float = alike) -> _Floats:
            steps = rng.normal(0, options.noise / 100, count)
            values = np.empty(count)
            values[0] = steps[0]
            for i in range(1, count):
                values[i] = alike * values[i - 1] + math.sqrt(1 - alike**2) * steps[i]
            return values

        _alarms(f"neighbours correlated by {alike:g}", noise, options, rng)


def _index(options: argparse.Namespace, rng: np.random.Generator) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.count):
            write_run(Path(folder), number, 0.2 * math.exp(rng.normal(0, 0.03)), thread_counts=range(1, 6))
        megabytes = sum(path.stat().st_size for path in Path(folder).rglob("*")) / 1e6
        start = time.perf_counter()
        index = load_index(Path(folder))
        read_s = time.perf_counter() - start
        history = make_history(index.rows, Metric(Measure.P50))
        whole_s = time.perf_counter() - start
    print(f"{options.count} runs of {len(history.series)} cases, {megabytes:.0f} MB: read in {read_s:.2f} s; with "
          f"change points of all cases {whole_s:.2f} s")  # fmt: skip


EXPERIMENTS = {"same": _same, "shift": _shift, "outliers": _outliers, "spells": _spells, "index": _index}

if __name__ == "__main__":
    main()
