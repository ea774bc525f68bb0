"""What a dry run found, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..estimate import TimeSpan, rough, time_words
from .text import clean, count, megabytes, milliseconds

if TYPE_CHECKING:
    from ..dry_run import DryRun, PlannedCase


def render_dry_runs(found: Mapping[str, DryRun]) -> str:
    """Return the plan and its time on each device by its name, as lines for a terminal."""
    if len(found) == 1:
        return "".join(map(render_dry_run, found.values()))
    parts = [f"{clean(name)}: {render_dry_run(one)}" for name, one in found.items()]
    return "\n".join([*parts, "all devices are measured at the same time\n"])


def dry_runs_json(found: Mapping[str, DryRun]) -> str:
    """Return the same for programs; with several devices, one after another under ``devices``."""
    if len(found) == 1:
        return "".join(map(dry_run_json, found.values()))
    data = [{"device": name, **json.loads(dry_run_json(one))} for name, one in found.items()]
    return json.dumps({"devices": data}, indent=1)


def render_dry_run(found: DryRun) -> str:
    """Return the plan and its time as lines for a terminal, with an end of line."""
    lines = [f"{count(len(found.cases), 'case')} to measure; nothing was measured or written"]
    for number, group in enumerate(found.groups, 1):
        members = [next(case for case in found.cases if case.case.case_id == case_id) for case_id in group]
        turns = "cases that take turns" if len(members) > 1 else "one case, compared with nothing"
        lines += ["", f"group {number}: {turns}"]
        for member in members:
            lines += [f"  {clean(member.case.case_id)}", f"    {_about(member)}"]
    lines += [f"\nnot measurable: {clean(str(error))}" for error in found.rejected]
    lines.append("")
    lines += [clean(line) for line in found.conditions]
    if found.images is not None:
        lines.append(f"images: {count(found.images, 'image')} a case")
    if found.spec.waits is not None:
        lines.append(f"waits: {', '.join(kind.value for kind in found.spec.waits.kinds)}")
    if found.spec.sustain_ns is not None:
        lines.append(f"load: each case alone for {rough(found.spec.sustain_ns / 1e9)}, which no --budget bounds")
    width = max(len(name) for name in (*found.parts, "all"))
    lines += [f"{name:{width}}  {time_words(span)}" for name, span in {**found.parts, "all": found.time}.items()]
    lines += [f"not in this time: {reason}" for reason in found.unsaid]
    lines.append(_basis(found))
    return "\n".join(lines) + "\n"


def _about(member: PlannedCase) -> str:
    file = member.case.variant.file
    parts = [f"{clean(file.path)}, {megabytes(file.size_bytes)} MB"]
    if member.baseline is not None:
        parts.append(f"against {clean(member.baseline)}")
    if member.p50_ns is not None:
        parts.append(f"p50 {milliseconds(member.p50_ns)} ms in {clean(member.known_from or '')}")
    return "; ".join(parts)


def _basis(found: DryRun) -> str:
    """Say what the time is taken from."""
    known = sum(case.known is not None for case in found.cases)
    if known == len(found.cases):
        return "times are from stored runs of the same files; how many blocks there will be depends on precision"
    bounds = "the bounds that --min-time, --max-time, --blocks and --budget set"
    if not known:
        return f"no stored run has these cases with the same files: times are {bounds}"
    return f"{known} of {len(found.cases)} cases are known from stored runs of the same files, the others have {bounds}"


def dry_run_json(found: DryRun) -> str:
    """Return the same for programs."""
    data = {
        "cases": [_case(case) for case in found.cases],
        "groups": [list(group) for group in found.groups],
        "rejected": [{"path": error.path, "message": str(error)} for error in found.rejected],
        "images": found.images,
        "conditions": list(found.conditions),
        "waits": [kind.value for kind in found.spec.waits.kinds] if found.spec.waits else [],
        "sustain_s": None if found.spec.sustain_ns is None else found.spec.sustain_ns / 1e9,
        "time_s": {name: _span(span) for name, span in found.parts.items()},
        "total_s": _span(found.time),
        "not_in_time": list(found.unsaid),
    }
    return json.dumps(data, indent=1, allow_nan=False)


def _case(case: PlannedCase) -> dict[str, object]:
    file = case.case.variant.file
    return {
        "case_id": case.case.case_id,
        "path": file.path,
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "baseline": case.baseline,
        "p50_ns": case.p50_ns,
        "p50_from": case.known_from,
    }


def _span(span: TimeSpan) -> dict[str, float]:
    return {"least": round(span.least_s, 3), "most": round(span.most_s, 3)}
