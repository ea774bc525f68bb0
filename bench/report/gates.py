"""Judgements of gates as lines, a Markdown table, JUnit XML, and what github-action-benchmark reads."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from ..analysis.figures import MEMORY, TIMES
from ..analysis.gating import GateOutcome, Judgement
from ..changes import Metric, RunChange
from ..gates import Gate, GateKind
from ..records import CaseResult
from .text import clean

_WORDS = {GateOutcome.PASS: "pass", GateOutcome.FAIL: "FAIL", GateOutcome.UNDECIDED: "undecided"}
_ORDER = list(_WORDS)[1:] + list(_WORDS)[:1]
#: What XML 1.0 cannot hold in any form.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def gate_sentence(judged: Sequence[Judgement], *, undecided_fails: bool) -> str:
    """Return in one line what came out of all gates."""
    counts = Counter(item.outcome for item in judged)
    parts = [f"{counts[GateOutcome.FAIL]} failed"] if counts[GateOutcome.FAIL] else []
    if counts[GateOutcome.UNDECIDED]:
        parts.append(
            f"{counts[GateOutcome.UNDECIDED]} undecided ({'fails' if undecided_fails else 'does not fail'} the run)"
        )
    parts.append(f"{counts[GateOutcome.PASS]} passed")
    family = sum(item.doubt is not None for item in judged)
    together = f" {family} that chance has a part in are judged together: a false alarm in at most 1 of 20 runs."
    return f"Gates: {', '.join(parts)}.{together if family > 1 else ''}"


def gate_lines(judged: Sequence[Judgement]) -> list[str]:
    """Return one line for each judgement, failures first."""
    return [gate_line(item) for outcome in _ORDER for item in judged if item.outcome is outcome]


def gate_line(item: Judgement) -> str:
    """Return a judgement in words: what was found, what is allowed, and what would decide it."""
    return clean(f"{_WORDS[item.outcome]:<9}  {item.case_id}: {gate_message(item)}")


def gate_message(item: Judgement) -> str:
    """Return a judgement in words, without its outcome and case."""
    limit = f"{'at least' if item.gate.metric.is_share else 'at most'} {_figure(item.gate, item.gate.limit)}"
    if item.value is None:
        return f"{item.name}: {item.reason or 'no figure'}; allowed: {limit}"
    figure = f"{item.name} {_figure(item.gate, item.value)}{_range(item)}{_against(item.gate)}, allowed: {limit}"
    tail = "; ".join(part for part in (_between(item), item.reason, item.needs, _blind_spot(item)) if part)
    return f"{figure}{f'; {tail}' if tail else ''}"


def _blind_spot(item: Judgement) -> str:
    """Tell what could have been shown where no failure was."""
    if item.outcome is GateOutcome.FAIL or not item.detectable:
        return ""
    unit = " points" if item.gate.metric.is_share else " %"
    return f"{100 * item.detectable:.2g}{unit} beyond the limit would be shown 4 times in 5"


def _range(item: Judgement) -> str:
    if item.low is None or item.high is None or item.low == item.high:
        return ""
    return f" ({_figure(item.gate, item.low)} to {_figure(item.gate, item.high)})"


def _against(gate: Gate) -> str:
    return {GateKind.RATIO: " of the base", GateKind.POINTS: " against the base", GateKind.ABSOLUTE: ""}[gate.kind]


def _between(item: Judgement) -> str:
    """Return both sides' figures and where the interval comes from."""
    change = item.figures
    if item.gate.kind is GateKind.ABSOLUTE or change is None or change.base is None or change.new is None:
        return ""
    sides = f"{amount(change.metric, change.base)} → {amount(change.metric, change.new)}"
    return sides if item.basis is None else f"{sides}, {item.basis.value}"


def _figure(gate: Gate, value: float) -> str:
    if gate.kind is GateKind.RATIO:
        return f"{value:.4g}x"
    if gate.kind is GateKind.POINTS:
        return f"{100 * value:+.3g} points".replace("-", "−")
    return amount(gate.metric, value)


def amount(metric: Metric, value: float) -> str:
    """Return a figure with its unit."""
    if metric in TIMES:
        return f"{value / 1e6:.4g} ms"
    if metric in MEMORY or metric is Metric.SIZE:
        return f"{value / 1e6:.4g} MB"
    return f"{value:.3f}"


def gates_markdown(change: RunChange, judged: Sequence[Judgement], *, undecided_fails: bool) -> str:
    """Return a section of Markdown, for a step's summary."""
    rows = [
        f"| {_WORDS[item.outcome]} | {_cell(item.case_id)} | {_cell(item.gate.text)} | {_cell(gate_message(item))} |"
        for outcome in _ORDER
        for item in judged
        if item.outcome is outcome
    ]
    title = f"### edgebench: {_cell(change.base_name)} → {_cell(change.new_name)}"
    head = "| outcome | case | gate | found |\n|---|---|---|---|"
    sentence = gate_sentence(judged, undecided_fails=undecided_fails)
    return "\n".join([title, "", sentence, "", head, *rows, ""])


def _cell(text: str) -> str:
    escaped = clean(text)
    for char in "\\`*_{}[]|#":
        escaped = escaped.replace(char, f"\\{char}")
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def gates_junit(judged: Sequence[Judgement], *, undecided_fails: bool) -> str:
    """Return JUnit XML: a suite for each device, a case for each gate and case; undecided is skipped, or a failure."""
    root = ElementTree.Element("testsuites", name="edgebench gates")
    for device in dict.fromkeys(item.device for item in judged):
        mine = [item for item in judged if item.device == device]
        failed = [item for item in mine if _fails(item, undecided_fails)]
        skipped = [item for item in mine if item.outcome is GateOutcome.UNDECIDED and item not in failed]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_xml(f"edgebench on {device}"),
            tests=str(len(mine)),
            failures=str(len(failed)),
            errors="0",
            skipped=str(len(skipped)),
        )
        for item in mine:
            _testcase(suite, item, undecided_fails)
    ElementTree.indent(root)
    return f"{ElementTree.tostring(root, encoding='unicode', xml_declaration=True)}\n"


def _testcase(suite: ElementTree.Element, item: Judgement, undecided_fails: bool) -> None:
    name = item.gate.text if item.name in item.gate.text else f"{item.gate.text} ({item.name})"
    case = ElementTree.SubElement(suite, "testcase", classname=_xml(item.case_id), name=_xml(name))
    properties = ElementTree.SubElement(case, "properties")
    for key in ("value", "low", "high", "doubt", "detectable"):
        if (figure := getattr(item, key)) is not None:
            ElementTree.SubElement(properties, "property", name=key, value=repr(figure))
    ElementTree.SubElement(properties, "property", name="limit", value=repr(item.gate.limit))
    message = _xml(gate_message(item))
    if _fails(item, undecided_fails):
        ElementTree.SubElement(case, "failure", message=message, type=item.outcome.value).text = message
    elif item.outcome is GateOutcome.UNDECIDED:
        ElementTree.SubElement(case, "skipped", message=f"undecided: {message}")
    else:
        ElementTree.SubElement(case, "system-out").text = message


def _fails(item: Judgement, undecided_fails: bool) -> bool:
    return item.outcome is GateOutcome.FAIL or (undecided_fails and item.outcome is GateOutcome.UNDECIDED)


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def action_benchmark(cases: Sequence[CaseResult]) -> str:
    """Return what github-action-benchmark takes as ``customSmallerIsBetter``: latency, memory, size, error rate."""
    entries = [entry for case in cases for entry in _entries(case)]
    return f"{json.dumps(entries, indent=1, allow_nan=False)}\n"


def _entries(case: CaseResult) -> list[dict[str, str | float]]:
    found: list[dict[str, str | float]] = []
    latency, extra = (
        case.latency,
        f"model {case.file.sha256[:12]}, {case.verdict.value if case.verdict else 'no verdict'}",
    )
    if latency is not None and latency.p50_ns is not None:
        interval = latency.intervals.get("p50_ns")
        half = {"range": f"± {(interval[1] - interval[0]) / 2e6:.3g}"} if interval else {}
        found.append(
            {"name": f"{case.case_id} p50", "unit": "ms", "value": latency.p50_ns / 1e6, **half, "extra": extra}
        )
    if case.memory is not None and case.memory.peak_rss_bytes is not None:
        peak = case.memory.peak_rss_bytes / 1e6
        found.append({"name": f"{case.case_id} peak RSS", "unit": "MB", "value": peak, "extra": extra})
    found.append({"name": f"{case.case_id} size", "unit": "MB", "value": case.file.size_bytes / 1e6, "extra": extra})
    if case.accuracy is not None and case.accuracy.balanced_accuracy is not None:
        error = round(100 * (1 - case.accuracy.balanced_accuracy), 4)
        found.append({"name": f"{case.case_id} balanced error", "unit": "%", "value": error, "extra": extra})
    return found
