"""What speaks against a case's figures, from its samples, from the machine meanwhile, and from how it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..findings import Code, Finding, Severity, worst_first
from ..records import Coverage, Delegate, DelegateKind, Delegation
from .cooling import BlockCooling, not_cooled
from .disturbance import disturbances, unchecked
from .heat import firmware_findings, heat_findings
from .phone import screen_finding
from .samples import BLOCKS_SHARE, CaseSamples, sample_findings
from .surroundings import standing_findings

Snapshot = Mapping[str, Any]
StatePair = tuple[Snapshot, Snapshot]

#: Delegates that somebody named. The default one is whatever the runtime does, so it cannot fall short.
EXPLICIT = frozenset({DelegateKind.XNNPACK, DelegateKind.GPU, DelegateKind.NNAPI, DelegateKind.EXTERNAL})
#: Of what would disturb any measurement, what makes this one's figures another thing. The rest is advice before a
#: measurement: whether short memory, a quota or boost did harm is seen between the snapshots and in the samples.
STANDING = frozenset({Code.EMULATED, Code.BATTERY, Code.POWER_SAVER, Code.GOVERNOR, Code.CLOCK_CAPPED, Code.ASLR_OFF})


@dataclass(frozen=True)
class Evidence:
    """Everything that a case is judged by.

    ``states`` has the snapshots before the first and after the last burst of each block, of the process measured;
    ``machine`` the lasting facts; ``unread`` why a snapshot is missing. ``usable_cores`` is None where unknown.
    ``coolings`` tell how the device was let cool before each block, none where nobody asked for it.
    """

    samples: CaseSamples
    delegate: Delegate
    threads: int
    delegation: Delegation | None = None
    usable_cores: int | None = None
    states: Sequence[StatePair] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    unread: str | None = None
    coolings: Sequence[BlockCooling] = ()


def findings_of(evidence: Evidence) -> list[Finding]:
    """Return everything that speaks against the case's figures, worst first, one finding a code."""
    ways = (_partial(evidence.delegate, evidence.delegation), _more_threads(evidence), _too_warm(evidence.coolings))
    return worst_first(
        [
            *_standing(evidence),
            *block_findings(evidence.states),
            *sample_findings(evidence.samples),
            *(finding for finding in ways if finding is not None),
        ]
    )


def unchecked_of(evidence: Evidence) -> dict[str, str]:
    """Return the codes of the checks that could not be made between snapshots, each with the reason."""
    if evidence.states:
        found = unchecked(*(snapshot for pair in evidence.states for snapshot in pair))
    else:
        found = dict.fromkeys(unchecked({}), evidence.unread or "the state of the machine was not read")
    return {code.value: reason for code, reason in found.items()}


def silence(findings: Sequence[Finding], codes: Sequence[Code]) -> tuple[Finding, ...]:
    """Return the findings, those with one of the codes marked as silenced."""
    return tuple(replace(finding, silenced=finding.code in codes) for finding in findings)


def block_findings(states: Sequence[StatePair]) -> list[Finding]:
    """Return what disturbed at least a third of the blocks, a rise of temperature over all of them, a screen that
    changed, and whatever the firmware reported of heat and supply.

    What hit fewer is absorbed: a burst's value is a quartile, a block's a median, and the interval is over blocks. A
    finding is invalid where a third of the blocks are; its reason is the first such block's.
    """
    by_code: dict[Code, list[Finding]] = {}
    for before, after in states:
        for finding in disturbances(before, after):
            by_code.setdefault(finding.code, []).append(finding)
    combined = (_combined(findings, len(states)) for findings in by_code.values())
    found = [finding for finding in combined if finding is not None]
    screen = screen_finding([snapshot for pair in states for snapshot in pair])
    found += [screen] if screen is not None else []
    if len(states) > 1:
        whole = heat_findings(states[0][0], states[-1][1])
        found += [finding for finding in whole if finding.code is Code.TEMPERATURE_RISE]
        found += firmware_findings(states)
    return worst_first(found)


def left_to_cpu(delegation: Delegation) -> str:
    """Return the names of the operators that a delegate left, for people."""
    return ", ".join(sorted(delegation.cpu_operators)) or "unnamed operators"


def _combined(findings: Sequence[Finding], blocks: int) -> Finding | None:
    invalid = [finding for finding in findings if finding.severity is Severity.INVALID]
    for counted in (invalid, list(findings)):
        if counted and len(counted) / blocks >= BLOCKS_SHARE:
            first = counted[0]
            if blocks == 1:
                return first
            severity = Severity.INVALID if counted is invalid else Severity.SUSPECT
            reason = f"in {len(counted)} of {blocks} blocks; in the first of them {first.reason}"
            return replace(first, severity=severity, reason=reason)
    return None


def _standing(evidence: Evidence) -> list[Finding]:
    snapshot = evidence.states[-1][1] if evidence.states else {}
    return [finding for finding in standing_findings(snapshot, evidence.machine) if finding.code in STANDING]


def _partial(delegate: Delegate, delegation: Delegation | None) -> Finding | None:
    if delegation is None or delegate.kind not in EXPLICIT or delegation.coverage is not Coverage.PARTIAL:
        return None
    counts = delegation.delegated_nodes, delegation.total_nodes
    taken = "a part of the nodes" if None in counts else f"{counts[0]} of {counts[1]} nodes"
    reason = f"{delegate.kind.value} took {taken}; {left_to_cpu(delegation)} ran on the CPU's kernels"
    hint = "change the model so that the delegate takes all of it; --require-full makes this an error"
    return Finding(Code.PARTIAL, Severity.SUSPECT, reason, hint)


def _too_warm(coolings: Sequence[BlockCooling]) -> Finding | None:
    warm = [finding for finding in map(not_cooled, coolings) if finding is not None]
    return _combined(warm, len(coolings)) if coolings else None


def _more_threads(evidence: Evidence) -> Finding | None:
    cores = evidence.usable_cores
    if cores is None or evidence.threads <= cores:
        return None
    reason = f"{evidence.threads} threads on {cores} usable {'core' if cores == 1 else 'cores'}"
    hint = f"--threads {cores} at most: more threads than cores usually slow a model down"
    return Finding(Code.MORE_THREADS, Severity.SUSPECT, reason, hint)
