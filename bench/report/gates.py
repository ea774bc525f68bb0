"""What came out for gates, as lines for a terminal and as Markdown for a summary page."""

from __future__ import annotations

from collections.abc import Mapping

from ..analysis.gating import GateResult, Judgement, Outcome
from ..gates import GateKind
from .change_words import MEMORY, shown
from .text import clean, count, multiple, points, ratio, significant

WORDS: Mapping[Outcome, str] = {Outcome.FAILED: "FAIL", Outcome.UNDECIDED: "UNDECIDED", Outcome.PASSED: "PASS"}
_ORDER = (Outcome.FAILED, Outcome.UNDECIDED, Outcome.PASSED)


def gate_lines(judged: Judgement, *, undecided_fails: bool = False) -> list[str]:
    """Return a line for each result, failures first, and a sentence on all of them last."""
    lines = [result_line(result) for outcome in _ORDER for result in judged.of(outcome)]
    return [*lines, summary_line(judged, undecided_fails=undecided_fails)]


def result_line(result: GateResult) -> str:
    """Return what came out for one gate and case, with value, interval and limit."""
    return f"{WORDS[result.outcome]} {case_name(result)}: {result_text(result)}"


def result_text(result: GateResult) -> str:
    """Return the figures, the limit, where they come from, and where it is undecided what would decide."""
    parts = [f"{clean(result.name)} {value_text(result)}, {limit_text(result)}: {verdict_text(result)}"]
    parts += [result.needs] if result.needs else []
    if result.detectable and result.outcome is not Outcome.FAILED:
        parts.append(f"{_step(result)} beyond the limit would be shown 4 times in 5")
    return clean("; ".join(parts))


def case_name(result: GateResult) -> str:
    """Return ``net/int8@local interpreter.litert+default/t1``: what tells one case from the other."""
    rest = result.case_id.partition(f"@{result.device}/")[2]
    return clean(f"{result.model}/{result.variant}@{result.device}" + (f" {rest}" if rest else ""))


def value_text(result: GateResult) -> str:
    """Return ``1.152x (1.148 to 1.156) of the base`` or the like, ``unknown`` where there is none."""
    if result.value is None:
        return "unknown"
    if result.low is None or result.high is None or result.low == result.high:
        bounds = ""
    else:
        bounds = f" ({_bare(result, result.low)} to {_bare(result, result.high)})"
    unit, after = _units(result)
    return f"{_bare(result, result.value)}{unit}{bounds}{after}"


def limit_text(result: GateResult) -> str:
    """Return what the gate allows: ``allowed 1.05x``, ``at least 0.700``."""
    gate = result.gate
    unit = _units(result)[0]
    if gate.metric.is_share:
        return f"at least {_bare(result, gate.limit)}{unit}"
    return f"allowed {_bare(result, gate.limit)}{unit}"


def verdict_text(result: GateResult) -> str:
    """Return what is shown, and by what."""
    if result.value is None or result.outcome is Outcome.UNDECIDED:
        return result.reason or "nothing shows it kept or broken"
    if result.outcome is Outcome.PASSED:
        return f"kept, shown by {result.reason}"
    return f"{'lower' if result.gate.metric.is_share else 'higher'} than allowed, shown by {result.reason}"


def summary_line(judged: Judgement, *, undecided_fails: bool) -> str:
    """Return how many passed, failed and are undecided, and what the latter come to."""
    numbers = {outcome: len(judged.of(outcome)) for outcome in Outcome}
    parts = [f"{numbers[Outcome.PASSED]:,} passed"]
    parts += [f"{numbers[Outcome.FAILED]:,} failed"]
    if numbers[Outcome.UNDECIDED]:
        what = "which fails" if undecided_fails else "which does not fail; --undecided fail makes it so"
        parts.append(f"{numbers[Outcome.UNDECIDED]:,} undecided ({what})")
    chance = f"; {count(judged.family, 'result')} that chance has a part in, judged together at 5 %"
    return f"gates: {', '.join(parts)}{chance if judged.family > 1 else ''}"


def gates_markdown(judged: Judgement, *, undecided_fails: bool = False) -> str:
    """Return the results as a Markdown section with a table, failures first; it ends with a line break."""
    lines = ["## Gates", "", _cell(summary_line(judged, undecided_fails=undecided_fails)), ""]
    lines += ["| | case | gate | value | why |", "|---|---|---|---|---|"]
    for outcome in _ORDER:
        for result in judged.of(outcome):
            why = "; ".join(part for part in (verdict_text(result), result.needs) if part)
            cells = (WORDS[outcome], case_name(result), result.gate.text, f"{result.name} {value_text(result)}", why)
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n\n"


def _cell(text: str) -> str:
    escaped = clean(text).replace("\\", "\\\\")
    for char in "|<>*_`[]":
        escaped = escaped.replace(char, f"\\{char}" if char != "<" else "&lt;")
    return escaped


def _bare(result: GateResult, value: float) -> str:
    kind = result.gate.kind
    if kind is GateKind.RATIO:
        return multiple(value)
    if kind is GateKind.POINTS:
        return points(value)
    return ratio(value) if result.gate.metric.is_share else shown(result.gate.metric, value)


def _units(result: GateResult) -> tuple[str, str]:
    """Return what stands behind the figure, and behind its interval."""
    gate = result.gate
    if gate.kind is GateKind.RATIO:
        return "x", " of the base"
    if gate.kind is GateKind.POINTS:
        return " points", " against the base"
    return ("" if gate.metric.is_share else " MB" if gate.metric in MEMORY else " ms"), ""


def _step(result: GateResult) -> str:
    step = 100 * (result.detectable or 0.0)
    return f"{significant(step)} {'points' if result.gate.metric.is_share else '%'}"
