"""Gates as JUnit XML, which every CI service shows: a suite for each device, a test case for each gate and case."""

from __future__ import annotations

from xml.etree import ElementTree

from ..analysis.gating import GateResult, Judgement, Outcome
from .gates import case_name, result_text
from .text import clean

_FIGURES = ("value", "low", "high", "base", "new", "doubt", "detectable")


def render_junit(judged: Judgement, created_utc: str | None = None, *, undecided_fails: bool = False) -> str:
    """Return the results as a JUnit document.

    What is undecided is a skipped test with its reason, or with ``undecided_fails`` a failure. Figures are properties
    of each test case, in the units of the gate: a ratio, ns, bytes or a share.
    """
    devices: dict[str, list[GateResult]] = {}
    for result in judged.results:
        devices.setdefault(result.device, []).append(result)
    root = ElementTree.Element("testsuites", name="edgebench gates", **_counts(judged.results, undecided_fails))
    for device, results in devices.items():
        suite = ElementTree.SubElement(root, "testsuite", name=clean(device) or "unknown")
        suite.attrib.update(_counts(results, undecided_fails))
        if created_utc is not None:
            suite.set("timestamp", created_utc.removesuffix("Z"))
        for result in results:
            _add(suite, result, undecided_fails)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counts(results: list[GateResult] | tuple[GateResult, ...], undecided_fails: bool) -> dict[str, str]:
    outcomes = [_shown_as(result, undecided_fails) for result in results]
    failures, skipped = outcomes.count(Outcome.FAILED), outcomes.count(Outcome.UNDECIDED)
    numbers = {"tests": len(results), "failures": failures, "errors": 0, "skipped": skipped}
    return {**{name: str(number) for name, number in numbers.items()}, "time": "0"}


def _shown_as(result: GateResult, undecided_fails: bool) -> Outcome:
    return Outcome.FAILED if undecided_fails and result.outcome is Outcome.UNDECIDED else result.outcome


def _add(suite: ElementTree.Element, result: GateResult, undecided_fails: bool) -> None:
    name = clean(f"{result.gate.text} ({result.name})" if result.gate.label == "*" else result.gate.text)
    case = ElementTree.SubElement(suite, "testcase", classname=case_name(result), name=name, time="0")
    properties = ElementTree.SubElement(case, "properties")
    texts = {"outcome": result.outcome.value, "limit": repr(result.gate.limit)}
    texts |= {key: repr(value) for key in _FIGURES if (value := getattr(result, key)) is not None}
    for key, text in texts.items():
        ElementTree.SubElement(properties, "property", name=key, value=text)
    message = result_text(result)
    shown = _shown_as(result, undecided_fails)
    if shown is Outcome.FAILED:
        ElementTree.SubElement(case, "failure", message=message, type=result.outcome.value).text = message
    elif shown is Outcome.UNDECIDED:
        ElementTree.SubElement(case, "skipped", message=message)
