"""How far the verdicts on sustained load can be trusted: simulated series, the code of `edgebench run --sustain`.

    python tests/proofs/sustained.py steady --count 1000
    python tests/proofs/sustained.py slower --percent 18 --count 300
    python tests/proofs/sustained.py climb --percent 18 --count 300
    python tests/proofs/sustained.py swap --count 300
    python tests/proofs/sustained.py equal --count 300

``steady``: devices that never change; what are they called, how often does the 95 % interval leave 1 out? ``slower``:
one step after 35 % of the time; how often is it told, when, and does the interval hold the truth? ``climb``: the same
amount little by little. ``swap``: two variants of which one is 10 % faster at first and 10 % slower after 40 % of the
time; how often is that told, and when? ``equal``: two variants that never differ, but by the offset of their processes;
how often are they said to swap, or ordered at all? Noise is autoregressive with the correlation of neighbouring windows
that each line names; ``mixed`` is half of it independent and half slow. Prints figures and judges nothing.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgebench.analysis.sustained import PROCESS_SD, ranking
from edgebench.sustained_records import Pace, Sustained, Trend
from simulated_load import Floats, S, autocorrelated, case_of

_WINDOWS = 120
_EACH_NS = 5 * S
_MS = 1e6
_Noise = Callable[[np.random.Generator, int], Floats]


def main() -> None:
    """Run one experiment and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=sorted(EXPERIMENTS))
    parser.add_argument("--count", type=int, default=300, help="series of each kind")
    parser.add_argument("--percent", type=float, default=18.0, help="how much slower a device gets")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    EXPERIMENTS[options.experiment](options, np.random.default_rng(options.seed))


def _kinds() -> Iterator[tuple[str, float, _Noise]]:
    """Yield a name, the noise's standard deviation and the noise itself."""
    for sd in (0.005, 0.01, 0.02):
        for correlation in (0.0, 0.5, 0.8):
            yield (
                f"noise {sd:.1%}, correlation {correlation}",
                sd,
                functools.partial(autocorrelated, correlation=correlation),
            )
        yield f"noise {sd:.1%}, mixed", sd, _mixed


def _mixed(rng: np.random.Generator, count: int) -> Floats:
    found: Floats = (autocorrelated(rng, count, 0.92) + rng.normal(size=count)) / np.sqrt(2)
    return found


def _trends(levels: Floats, sd: float, noise: _Noise, count: int, rng: np.random.Generator) -> list[Trend]:
    cases = [case_of(levels * np.exp(sd * noise(rng, levels.size)), _EACH_NS) for _ in range(count)]
    return [case.trend for case in cases if case.trend]


def _share(yes: int, count: int) -> str:
    return f"{yes / count:.1%}"


def _steady(options: argparse.Namespace, rng: np.random.Generator) -> None:
    for windows in (20, 60, _WINDOWS):
        for name, sd, noise in _kinds():
            found = _trends(np.full(windows, 10 * _MS), sd, noise, options.count, rng)
            paces = Counter(item.pace for item in found)
            outside = sum(not (item.low or 0) <= 1 <= (item.high or 0) for item in found)
            told = ", ".join(f"{pace.value} {_share(paces[pace], options.count)}" for pace in Pace)
            print(f"{windows} windows, {name}: {told}; interval leaves 1 out {_share(outside, options.count)}")


def _slower(options: argparse.Namespace, rng: np.random.Generator) -> None:
    at = round(0.35 * _WINDOWS)
    _known(options, rng, np.where(np.arange(_WINDOWS) < at, 1.0, 1 + options.percent / 100), at)


def _climb(options: argparse.Namespace, rng: np.random.Generator) -> None:
    at = np.arange(_WINDOWS)
    _known(options, rng, 1 + options.percent / 100 * (1 - np.exp(-at / 30)), 0)


def _known(options: argparse.Namespace, rng: np.random.Generator, shape: Floats, at: int) -> None:
    """Print how often a known change is told; ``at`` is the window in which it begins."""
    true = np.exp(np.log(shape[-12:]).mean() - np.log(shape[:12]).mean())
    for name, sd, noise in _kinds():
        found = _trends(10 * _MS * shape, sd, noise, options.count, rng)
        slow = [item for item in found if item.pace is Pace.SLOWS]
        holds = sum((item.low or 0) <= true <= (item.high or 0) for item in found)
        times = [item.slowed_after_ns / S for item in slow if item.slowed_after_ns is not None]
        low, middle, high = np.quantile(times, (0.05, 0.5, 0.95)) if times else (np.nan,) * 3
        width = np.median([100 * ((item.high or 0) - (item.low or 0)) / 2 for item in found])
        print(
            f"{name}: told {_share(len(slow), options.count)}; interval ±{width:.1f} % holds {true:.3f} "
            f"{_share(holds, options.count)}; begins at {at * _EACH_NS / S:.0f} s, told with a time "
            f"{_share(len(times), options.count)}: {low:.0f} / {middle:.0f} / {high:.0f} s (5, 50, 95 %)"
        )


def _swap(options: argparse.Namespace, rng: np.random.Generator) -> None:
    at = round(0.4 * _WINDOWS)
    int8 = np.where(np.arange(_WINDOWS) < at, 0.9, 1.1)
    for name, sd, noise in _kinds():
        pairs = [_pair(rng, np.ones(_WINDOWS), int8, sd, noise) for _ in range(options.count)]
        times = [swap.after_ns / S for pair in pairs for swap in ranking(pair).swaps if swap.first == 1]
        low, middle, high = np.quantile(times, (0.05, 0.5, 0.95)) if times else (np.nan,) * 3
        print(
            f"{name}: told {_share(len(times), options.count)}; at {at * _EACH_NS / S:.0f} s, told: "
            f"{low:.0f} / {middle:.0f} / {high:.0f} s (5, 50, 95 %)"
        )


def _equal(options: argparse.Namespace, rng: np.random.Generator) -> None:
    for name, sd, noise in _kinds():
        pairs = [_pair(rng, np.ones(_WINDOWS), np.ones(_WINDOWS), sd, noise) for _ in range(options.count)]
        found = [ranking(pair) for pair in pairs]
        swaps, ordered = sum(bool(item.swaps) for item in found), sum(len(item.begin) > 1 for item in found)
        print(f"{name}: said to swap {_share(swaps, options.count)}, ordered at first {_share(ordered, options.count)}")


def _pair(rng: np.random.Generator, one: Floats, other: Floats, sd: float, noise: _Noise) -> list[Sustained]:
    """Return two cases, each in a process with an offset of its own."""
    return [
        case_of(10 * _MS * level * np.exp(rng.normal(0, PROCESS_SD) + sd * noise(rng, level.size)), _EACH_NS)
        for level in (one, other)
    ]


EXPERIMENTS: dict[str, Callable[[argparse.Namespace, np.random.Generator], None]] = {
    "steady": _steady,
    "slower": _slower,
    "climb": _climb,
    "swap": _swap,
    "equal": _equal,
}


if __name__ == "__main__":
    main()
