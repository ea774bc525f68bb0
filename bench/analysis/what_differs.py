"""What else is not the same in two runs: machine, software, settings, and how a case ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..findings import Code, Verdict
from ..records import CaseResult, Delegation, Environment, RunRecord, Status
from .machines import environments, host_of
from .run_noise import settings_key

#: What a person reads first; the rest of the record's fields follow in their order.
_TITLES = {
    "hostname": "host",
    "cpu_model": "CPU",
    "machine": "architecture",
    "cpus_logical": "CPUs",
    "cpus_allowed": "CPUs that the run may use",
    "memory_total_bytes": "memory",
}
#: Findings about the machine rather than about one measurement.
_STANDING = (Code.GOVERNOR, Code.CLOCK_CAPPED, Code.BOOST, Code.QUOTA, Code.BATTERY, Code.ASLR_OFF, Code.EMULATED)
_HASH_SHOWN = 8


def unlike_machines(base: RunRecord, new: RunRecord) -> str | None:
    """Return in words how the machines differ, None where they are the same.

    Devices of the same name are compared; where no name is in both runs, the only devices of each.
    """
    found = [
        f"{_whose(name, pairs)}{words}"
        for pairs in (_pairs(base, new),)
        for name, one, other in pairs
        for words in (_unlike(one, other),)
        if words
    ]
    return "; ".join(found) or None


def _unlike(base: Environment, new: Environment) -> str:
    names = ("architecture", "CPU", "host name")
    sides = zip(names, host_of(base), host_of(new), strict=True)
    return "; ".join(f"{name} {one or 'unknown'}, {other or 'unknown'}" for name, one, other in sides if one != other)


def _pairs(base: RunRecord, new: RunRecord) -> list[tuple[str, Environment, Environment]]:
    """Return the devices that are to be compared: name, base's environment, new one's."""
    one, other = environments(base), environments(new)
    shared = [(name, one[name], other[name]) for name in one if name in other]
    if shared or len(one) > 1 or len(other) > 1:
        return shared
    return [("", before, after) for before in one.values() for after in other.values()]


def _whose(name: str, pairs: Sequence[tuple[str, Environment, Environment]]) -> str:
    return f"{name}: " if len(pairs) > 1 else ""


def environment_lines(base: RunRecord, new: RunRecord) -> tuple[str, ...]:
    """Return one line for each thing around the measurement that is not the same, ``name: base → new``."""
    pairs = _pairs(base, new)
    lines = [
        _line(f"{_whose(device, pairs)}{_TITLES.get(name, name)}", _shown(name, value), _shown(name, after[name]))
        for device, one, other in pairs
        for before, after in ((vars(one), vars(other)),)
        for name, value in before.items()
        if name != "unavailable" and value != after[name]
    ]
    lines += _runtime_lines(base.cases, new.cases)
    for code in _STANDING:
        one, other = _reasons(base, code), _reasons(new, code)
        if one != other:
            lines.append(_line(code.value, "; ".join(one) or "nothing found", "; ".join(other) or "nothing found"))
    old, now = settings_key(base.settings), settings_key(new.settings)
    lines += [_line(f"setting {name}", str(old[name]), str(now[name])) for name in old if old[name] != now[name]]
    sources = [side.data.source if side.data else "none" for side in (base, new)]
    if sources[0] != sources[1]:
        lines.append(_line("images", sources[0], sources[1]))
    return tuple(lines)


def _line(name: str, base: str, new: str) -> str:
    return f"{name}: {base} → {new}"


def _shown(name: str, value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value / 1e9:.1f} GB" if name == "memory_total_bytes" and isinstance(value, int) else str(value)


def _runtime_lines(base: Sequence[CaseResult], new: Sequence[CaseResult]) -> list[str]:
    lines = []
    for title, field in (
        ("runtime", "version"),
        ("Python of the workers", "python"),
        ("numpy of the workers", "numpy"),
    ):
        sides = [_values(cases, field) for cases in (base, new)]
        if sides[0] and sides[1] and sides[0] != sides[1]:
            lines.append(_line(title, sides[0], sides[1]))
    return lines


def _values(cases: Iterable[CaseResult], field: str) -> str:
    runtimes = [case.runtime for case in cases if case.runtime is not None]
    named = (f"{item.package} {item.version}" if field == "version" else str(getattr(item, field)) for item in runtimes)
    return " and ".join(sorted(set(named)))


def _reasons(record: RunRecord, code: Code) -> list[str]:
    return sorted({finding.reason for case in record.cases for finding in case.findings if finding.code is code})


def file_note(base: CaseResult, new: CaseResult) -> str | None:
    """Return that the model file is another one, None where it is the same."""
    one, other = base.file.sha256, new.file.sha256
    if one == other:
        return None
    return f"the model file changed: {one[:_HASH_SHOWN]} → {other[:_HASH_SHOWN]}"


def case_doubts(base: CaseResult, new: CaseResult, *, same_settings: bool) -> tuple[str, ...]:
    """Return what to know before believing a case's changes."""
    doubts = [text for side, case in (("base", base), ("new", new)) for text in _state(side, case)]
    doubts += [] if same_settings else ["the two runs were measured with other settings (see the environment)"]
    doubts += _runtime_doubts(base, new)
    if base.delegate != new.delegate:
        doubts.append("the delegate's library or options changed")
    if base.delegation and new.delegation and _taken(base.delegation) != _taken(new.delegation):
        doubts.append(f"delegated nodes: {_taken(base.delegation)} → {_taken(new.delegation)}")
    if _adapter(base) != _adapter(new):
        doubts.append(f"GPU: {_adapter(base) or 'none'} → {_adapter(new) or 'none'}")
    if base.inputs and new.inputs and _inputs(base) != _inputs(new):
        doubts.append(f"the model's inputs changed: {_inputs(base)} → {_inputs(new)}")
    if base.preprocessing and new.preprocessing and base.preprocessing != new.preprocessing:
        doubts.append("accuracy: images were prepared in another way (resizing or normalisation)")
    return tuple(doubts)


def _state(side: str, case: CaseResult) -> list[str]:
    if case.status is not Status.OK:
        why = f" {case.failure.code}: {case.failure.message}" if case.failure else ""
        return [f"{side}: {case.status.value.upper()}{why}"]
    if case.verdict is None or case.verdict is Verdict.VALID:
        return []
    word = "INVALID" if case.verdict is Verdict.INVALID else "suspect"
    reasons = [f"{item.code.value}, {item.reason}" for item in case.findings if not item.silenced]
    return [f"{side} is {word}: {'; '.join(reasons) or 'no reason recorded'}"]


def _runtime_doubts(base: CaseResult, new: CaseResult) -> list[str]:
    one, other = base.runtime, new.runtime
    if one is None or other is None or (one.package, one.version) == (other.package, other.version):
        return []
    return [f"the runtime changed: {one.package} {one.version} → {other.package} {other.version}"]


def _taken(found: Delegation) -> str:
    if found.delegated_nodes is None or found.total_nodes is None:
        return found.coverage.value
    return f"{found.delegated_nodes} of {found.total_nodes}"


def _adapter(case: CaseResult) -> str | None:
    return case.adapter.name if case.adapter else None


def _inputs(case: CaseResult) -> str:
    return ", ".join(f"{item.dtype} {'x'.join(map(str, item.shape))}" for item in case.inputs)
