"""Figures that another program reported: a summary, without the samples that it is of."""

from __future__ import annotations

from collections.abc import Sequence

from .records import CaseResult, Engine

#: What is to be known wherever such figures stand.
SUMMARIES = "benchmark_model reports summaries: no ratio, no gate"


def is_official(engine: Engine) -> bool:
    """Return whether cases of an engine are run by TFLite's official tool."""
    return engine is Engine.BENCHMARK_MODEL


def is_summary(case: CaseResult) -> bool:
    """Return whether another program measured the case, however that ended: it is shown, never compared."""
    return is_official(case.engine)


def sampled(cases: Sequence[CaseResult]) -> list[CaseResult]:
    """Return the cases that were measured here."""
    return [case for case in cases if not is_summary(case)]
