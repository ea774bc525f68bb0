"""Short, unique names for cases: what is equal in all of them is said once, not on every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ..cpus import cpu_list
from ..records import CaseResult, DelegateKind
from .text import clean, count

_TITLES = {"device": "device", "engine": "engine", "runtime": "runtime", "delegate": "delegate", "threads": "threads",
           "cpus": "CPUs", "signature": "signature"}  # fmt: skip


@dataclass(frozen=True)
class Names:
    """How cases are called in one report.

    ``common`` says in words what all cases share. ``how`` maps a case id to what differs in the way it ran (empty
    where nothing does). ``labels`` maps a case id to a name unique in the run, ``short`` to one without the model,
    unique in its model, and ``within`` to one without the device too, unique in its model and device, for where both
    are named already; so is ``how_within``, whose parts ``how_title`` names.
    """

    common: tuple[str, ...]
    how_title: str
    how: Mapping[str, str]
    labels: Mapping[str, str]
    short: Mapping[str, str]
    within: Mapping[str, str]
    how_within: Mapping[str, str]


def who(names: Mapping[str, str], chosen: Sequence[CaseResult], all_cases: Sequence[CaseResult]) -> list[str]:
    """Return ``names`` of the chosen cases; a variant of which all cases are chosen is named once, as a whole."""
    ids = {case.case_id for case in chosen}
    per_variant = Counter(case.variant for case in all_cases)
    whole = {case.variant for case in all_cases} - {case.variant for case in all_cases if case.case_id not in ids}
    found: dict[str, None] = {}
    for case in chosen:
        together = case.variant in whole and per_variant[case.variant] > 1
        found[clean(case.variant) if together else names[case.case_id]] = None
    return list(found)


def name_cases(cases: Sequence[CaseResult]) -> Names:
    """Return the names for ``cases``, whose ids must be unique."""
    parts = {case.case_id: _parts(case, _versions_differ(cases)) for case in cases}
    differing = [key for key in _TITLES if len({part[key] for part in parts.values()} - {None}) > 1]
    how = {case_id: _how(part, differing) for case_id, part in parts.items()}
    base = {case.case_id: (clean(case.model), clean(case.variant), how[case.case_id]) for case in cases}
    repeated = Counter(base.values())
    # Cases can differ in something that has no field of its own (pinned CPUs): the id tells them apart.
    how = {case_id: _tail(case_id) if repeated[base[case_id]] > 1 else text for case_id, text in how.items()}
    several_models = len({case.model for case in cases}) > 1
    in_group = [key for key in differing if key != "device"]
    how_within = {
        case_id: _how(part, in_group) if how[case_id] == _how(part, differing) else how[case_id]
        for case_id, part in parts.items()
    }
    return Names(
        common=_common(cases, differing),
        how_title="/".join(_TITLES[key] for key in in_group) or "case",
        how=how,
        labels={case.case_id: _label(case, how[case.case_id], several_models) for case in cases},
        short={case.case_id: _label(case, how[case.case_id], False) for case in cases},
        within={case.case_id: _label(case, how_within[case.case_id], False) for case in cases},
        how_within=how_within,
    )


def _versions_differ(cases: Sequence[CaseResult]) -> bool:
    seen = {(case.runtime.name, case.runtime.version) for case in cases if case.runtime}
    return len(seen) > len({name for name, _ in seen})


def _parts(case: CaseResult, with_version: bool) -> dict[str, str | None]:
    runtime = None
    if case.runtime:
        runtime = f"{case.runtime.name} {case.runtime.version}" if with_version else case.runtime.name
        if case.python_name:
            runtime += f"~{case.python_name}"
    return {
        "device": clean(case.device),
        "engine": case.engine.value,
        "runtime": clean(runtime) if runtime else None,
        "delegate": delegate_name(case),
        "threads": f"t{case.threads}",
        "cpus": None if case.cpus is None else clean(case.cpus),
        "signature": clean(case.signature) if case.signature else None,
    }


def delegate_name(case: CaseResult) -> str:
    """Return the delegate that was asked for: its kind, or the file name of an external library."""
    if case.delegate.kind is DelegateKind.EXTERNAL and case.delegate.library:
        return clean(PurePath(case.delegate.library).name)
    return case.delegate.kind.value


def cpus_words(case: CaseResult) -> str:
    """Return the CPUs that a case was pinned to, with their numbers where they were named otherwise."""
    numbers = cpu_list(case.cpu_numbers)
    asked = clean(case.cpus or "any")
    return asked if numbers in ("", case.cpus) else f"{asked} ({numbers})"


def _how(parts: Mapping[str, str | None], differing: Sequence[str]) -> str:
    shown = {key: parts[key] for key in differing if parts[key]}
    text = ".".join(value for key, value in shown.items() if key in ("engine", "runtime") and value)
    if "device" in shown:
        text = f"@{shown['device']}" + (f" {text}" if text else "")
    if "delegate" in shown:
        text += f"+{shown['delegate']}"
    for key in ("threads", "cpus", "signature"):
        if key in shown:
            text += f"/{shown[key]}"
    return text.lstrip("/")


def _tail(case_id: str) -> str:
    return "@" + clean(case_id.rpartition("@")[2])


def _label(case: CaseResult, how: str, with_model: bool) -> str:
    name = f"{clean(case.model)}/{clean(case.variant)}" if with_model else clean(case.variant)
    return f"{name} {how}" if how else name


def _common(cases: Sequence[CaseResult], differing: Sequence[str]) -> tuple[str, ...]:
    if not cases:
        return ()
    first = cases[0]
    runtimes = sorted({f"{case.runtime.package} {case.runtime.version}" for case in cases if case.runtime})
    said = {
        "device": f"device {clean(first.device)}",
        "engine": f"engine {first.engine.value}",
        "delegate": f"delegate {delegate_name(first)}",
        "threads": count(first.threads, "thread"),
    }
    if all(case.cpus for case in cases):
        said["cpus"] = f"CPUs {cpus_words(first)}"
    lines = [text for key, text in said.items() if key not in differing]
    if runtimes:
        lines.insert(min(2, len(lines)), "runtime " + " and ".join(clean(name) for name in runtimes))
    return tuple(lines)
