"""From what was learnt about a case to its verdict."""

from __future__ import annotations

from .analysis.samples import CaseSamples
from .analysis.verdict import Evidence, findings_of, silence, unchecked_of
from .findings import verdict_of, worst_first
from .outcome import Outcome, cores_for
from .records import Settings


def judge(outcome: Outcome, settings: Settings, usable_cores: int | None) -> None:
    """Put findings, verdict and unchecked codes into a case's result; a case without latency gets no verdict.

    Findings and unchecked codes that the result already has, from how the case ran, count too.
    """
    if outcome.result.latency is None:
        return
    log = outcome.log
    evidence = Evidence(
        samples=CaseSamples(log.by_block(), log.burst_values(), len(log.unsettled_blocks)),
        delegate=outcome.case.delegate,
        threads=outcome.case.threads,
        delegation=outcome.result.delegation,
        usable_cores=cores_for(outcome, usable_cores),
        states=outcome.states,
        machine=outcome.machine or {},
        unread=outcome.unread,
        coolings=tuple(outcome.coolings.values()),
    )
    found = worst_first([*outcome.result.findings, *findings_of(evidence)])
    findings = silence(found, settings.silenced)
    missing = {**outcome.result.unchecked, **unchecked_of(evidence)}
    outcome.update(findings=findings, verdict=verdict_of(findings), unchecked=missing)
