"""The self-test as plain text: what the harness costs, and what it can see here."""

from __future__ import annotations

from ..selftest import Noise, Overhead, SelfTest
from .text import clean, count, milliseconds

#: Confidence of a comparison's interval leaves this share of false alarms.
_FALSE_ALARMS = 0.05


def render_selftest(found: SelfTest) -> str:
    """Return the findings as text ending in a newline."""
    runtime = found.runtime
    lines = [
        f"Self-test with {clean(runtime.package)} {clean(runtime.version)}, engine interpreter, 1 thread, "
        f"in {found.seconds:.0f} s",
        *_overhead(found.overhead),
        *_noise(found.noise),
    ]
    return "\n".join(lines) + "\n"


def _overhead(overhead: Overhead) -> list[str]:
    if overhead.ratio is None or overhead.low is None or overhead.high is None:
        return [f"overhead unavailable: {clean(overhead.unavailable['ratio'])}"]
    medians = ""
    if overhead.harness_ns is not None and overhead.bare_ns is not None:
        medians = f" ({milliseconds(overhead.harness_ns)} against {milliseconds(overhead.bare_ns)} ms)"
    interval = f"{_percent(overhead.low - 1)} to {_percent(overhead.high - 1)}"
    if overhead.low > 1:
        meaning = "the harness makes a model of this size look slower than a bare loop does"
    elif overhead.high < 1:
        meaning = "the harness is not slower than a bare loop over the C API"
    else:
        meaning = "no cost of the harness is shown"
    return [
        f"overhead    {_percent(overhead.ratio - 1)}, {interval}, against a bare loop over LiteRT's C API{medians}, "
        f"{count(overhead.pairs, 'pair')} of processes",
        f"            {meaning}",
    ]


def _noise(noise: Noise) -> list[str]:
    spread = "unknown" if noise.ratio_sd is None else f"{100 * noise.ratio_sd:.2f} %"
    expected = _FALSE_ALARMS * noise.comparisons
    return [
        f"noise       {noise.different} of {count(noise.comparisons, 'comparison')} of a model with its own copy "
        f"called different ({expected:.1f} expected by chance)",
        f"            standard deviation of the ratio {spread}, median half-width of its interval "
        f"±{100 * noise.half_width:.2f} %",
        f"detectable  {100 * noise.detectable:.1f} % is the smallest difference that comparisons this short find here "
        "four times in five",
        "            longer runs find smaller ones: see --precision and --budget of edgebench run",
    ]


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %"
