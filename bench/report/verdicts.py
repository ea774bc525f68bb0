"""What speaks against the figures: findings that say the same share a line, and so do checks that were not made."""

from __future__ import annotations

from collections.abc import Sequence

from ..findings import Finding, Verdict
from ..records import CaseResult, RunRecord
from .naming import Names
from .sections import Section, cases_named
from .tables import WORDS
from .text import clean, count

_REASONS_SHOWN = 3


def verdict_section(record: RunRecord, names: Names, *, whole: bool) -> Section | None:
    """Return all findings, and what was not checked, with each reason where ``whole``; None where there is neither."""
    judged = [case for case in record.cases if case.verdict or case.findings or case.unchecked]
    if not judged:
        return None
    lines = [*_finding_lines(judged, names, whole), *_unchecked_lines(judged, names, whole)]
    return Section("verdicts", "Verdicts", _about(judged), lines=tuple(lines))


def verdict_sentence(cases: Sequence[CaseResult]) -> list[str]:
    """Return a sentence for the top of a report where a verdict is worse than valid."""
    parts = []
    for verdict, meaning in (
        (Verdict.INVALID, "the figures describe something else"),
        (Verdict.SUSPECT, "look before you rely on the figures"),
    ):
        number = sum(case.verdict is verdict for case in cases)
        if number:
            parts.append(f"{count(number, 'case')} {'is' if number == 1 else 'are'} {WORDS[verdict]} ({meaning})")
    return [f"{'; '.join(parts)}: the reasons are listed under Verdicts."] if parts else []


def _about(judged: Sequence[CaseResult]) -> str:
    tally = [
        f"{number} {WORDS[verdict]}"
        for verdict in Verdict
        if (number := sum(case.verdict is verdict for case in judged))
    ]
    return f"{count(sum(case.verdict is not None for case in judged), 'case')}: {', '.join(tally)}." if tally else ""


def _finding_lines(judged: Sequence[CaseResult], names: Names, whole: bool) -> list[str]:
    """Return ``suspect steal: reason (cases); another reason (cases). hint``, worst first, silenced last."""
    found: dict[tuple[str, str, str], dict[str, list[CaseResult]]] = {}
    every = [(finding, case) for case in judged for finding in case.findings]
    for finding, case in sorted(every, key=lambda item: (item[0].silenced, item[0].severity.value)):
        key = (_state(finding), finding.code.value, clean(finding.hint))
        found.setdefault(key, {}).setdefault(clean(finding.reason), []).append(case)
    lines = []
    for (state, code, hint), reasons in found.items():
        said = [f"{reason.rstrip('.')} ({cases_named(names, cases, judged)})" for reason, cases in reasons.items()]
        if not whole and len(said) > _REASONS_SHOWN + 1:
            said = [
                *said[:_REASONS_SHOWN],
                f"and {count(len(said) - _REASONS_SHOWN, 'more like these', 'more like these')}",
            ]
        lines.append(f"{state} {code}: {'; '.join(said)}." + (f" {hint[:1].upper()}{hint[1:]}." if hint else ""))
    return lines


def _state(finding: Finding) -> str:
    word = WORDS[Verdict(finding.severity.value)]
    return f"silenced ({word})" if finding.silenced else word


def _unchecked_lines(judged: Sequence[CaseResult], names: Names, whole: bool) -> list[str]:
    by_reason: dict[str, dict[str, list[CaseResult]]] = {}
    for case in judged:
        for code, reason in case.unchecked.items():
            by_reason.setdefault(clean(reason), {}).setdefault(clean(code), []).append(case)
    if not by_reason:
        return []
    if not whole:
        codes = dict.fromkeys(code for codes in by_reason.values() for code in codes)
        return [f"Not checked here: {', '.join(codes)} (--format md and html say why)."]
    parts = []
    for reason, codes_of in by_reason.items():
        cases = list({case.case_id: case for found in codes_of.values() for case in found}.values())
        where = "" if len(cases) == len(judged) else f"; {cases_named(names, cases, judged)}"
        parts.append(f"{', '.join(codes_of)} ({reason}{where})")
    return [f"Not checked here: {'; '.join(parts)}."]
