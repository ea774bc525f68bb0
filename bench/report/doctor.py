"""The doctor's examination as plain text: first what disturbs, worst first, then what can run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from ..doctor import Advice, Examination, GpuReport, PythonReport, RuntimeReport, Trial
from ..findings import Severity
from .gpu import adapter_text
from .text import clean, count, megabytes, milliseconds

_FOREVER = 10_000


def render_doctor(examination: Examination, *, width: int | None = None) -> str:
    """Return the examination as text ending in a newline; prose is wrapped to ``width``, commands never are."""
    parts = [
        render_advice(examination.advice, width),
        _noise(examination, width),
        render_unchecked(examination.unchecked, width),
        f"{_machine(examination, width)}\n{_gpus(examination.gpus, width)}",
        "Can run\n" + "\n".join(_python(python, width) for python in examination.pythons),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_advice(advice: Sequence[Advice], width: int | None) -> str:
    """Return what would disturb a measurement, worst first, each with the command that mends it."""
    if not advice:
        return "Nothing was found that would disturb a measurement here."
    invalid = sum(item.finding.severity is Severity.INVALID for item in advice)
    some = "" if invalid == len(advice) else f"{invalid} of them "
    weight = f", {some}enough to make it worthless" if invalid else ""
    lines = [f"Would disturb a measurement here: {count(len(advice), 'thing')}{weight}"]
    for item in advice:
        found = item.finding
        text = f"{found.severity.value.upper()} {found.code.value}: {clean(found.reason)} → {clean(found.hint)}"
        lines.append(_wrapped(text, width, "  ", "      "))
        if item.remedy:
            lines.append(f"      run:  {clean(item.remedy.command)}")
            if item.remedy.undo:
                lines.append(f"      undo: {clean(item.remedy.undo)}")
    return "\n".join(lines)


def _noise(examination: Examination, width: int | None) -> str:
    noise = examination.noise
    text = (
        f"Noise: one piece of work took {milliseconds(noise['median_ns'])} ms, eight in ten within "
        f"{milliseconds(noise['p10_ns'])} to {milliseconds(noise['p90_ns'])}, the slowest "
        f"{milliseconds(noise['max_ns'])} ({count(noise['count'], 'piece')})."
    )
    return _wrapped(text, width, "", "  ")


def render_unchecked(reasons: Mapping[str, str], width: int | None) -> str:
    """Return what could not be checked with the reason of each, empty where everything could."""
    if not reasons:
        return ""
    lines = [_wrapped(f"{code}: {clean(why)}", width, "  ", "      ") for code, why in reasons.items()]
    return "\n".join(["Cannot be checked here", *lines])


def _machine(examination: Examination, width: int | None) -> str:
    facts, snapshot = examination.machine, examination.snapshot
    known = [facts.get("board_model"), facts.get("soc"), facts["uname_machine"]]
    if "kernel_release" in facts:
        known.append(f"kernel {facts['kernel_release']}")
    if "cpus_allowed" in facts and "cpus_online" in facts:
        known.append(f"{len(facts['cpus_allowed'])} of {count(len(facts['cpus_online']), 'CPU')} allowed")
    if "memory_available_bytes" in snapshot:
        known.append(f"{megabytes(snapshot['memory_available_bytes'])} MB of memory free")
    if facts.get("virtual", {}).get("found"):
        known.append("a virtual machine")
    told = dict.fromkeys(clean(str(text)) for text in known if text)
    return _wrapped(f"Machine: {', '.join(told)}.", width, "", "  ")


def _gpus(gpus: GpuReport, width: int | None) -> str:
    if not gpus.adapters:
        return _wrapped(f"GPU: none ({clean(gpus.problem or 'nobody told why')}).", width, "", "  ")
    lines = [_wrapped(f"GPU: {adapter_text(adapter)}.", width, "", "  ") for adapter in gpus.adapters]
    return "\n".join(lines)


def _python(python: PythonReport, width: int | None) -> str:
    label = f"{python.name}={python.path}" if python.name else python.path
    about = f": Python {python.version}, numpy {python.numpy}" if python.version else ""
    lines = [f"  {clean(label)}{clean(about)}"]
    for runtime in python.runtimes:
        lines.extend(_runtime(runtime, width))
    if python.problem:
        lines.append(_wrapped(f"nothing: {clean(python.problem)}", width, "    ", "        "))
    elif not python.runtimes:
        lines.append("    nothing: no runtime can be used")
    for package, why in python.absent.items():
        if not python.runtimes or not why.endswith("is not installed"):
            lines.append(_wrapped(f"{package}: {clean(why)}", width, "    ", "        "))
    return "\n".join(lines)


def _runtime(runtime: RuntimeReport, width: int | None) -> list[str]:
    works = "; ".join(_engines([trial for trial in runtime.trials if trial.works])) or "nothing"
    lines = [_wrapped(f"{runtime.package} {runtime.version}: {works}", width, "    ", "        ")]
    for trial in runtime.trials:
        if not trial.works:
            text = f"not --engine {trial.engine} --delegate {trial.delegate}: {trial.detail}"
            lines.append(_wrapped(clean(text), width, "      ", "          "))
    return lines


def _engines(trials: Sequence[Trial]) -> list[str]:
    """Return ``interpreter with default, xnnpack, none`` for each engine."""
    delegates: dict[str, list[str]] = {}
    for trial in trials:
        delegates.setdefault(trial.engine, []).append(trial.delegate)
    return [f"{engine} with {', '.join(names)}" for engine, names in delegates.items()]


def _wrapped(text: str, width: int | None, first: str, rest: str) -> str:
    return textwrap.fill(
        text,
        width or _FOREVER,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
