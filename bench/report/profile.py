"""A per-operator profile as a table, CSV, JSON, and as an overlay for Model Explorer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..operators import Match, OperatorProfile, OperatorTime, TypeTime
from ..profile_data import FailedProfile, Profile
from ..spec import LOCAL
from .explorer import graph_id, node_data
from .plain import grid, wrapped
from .text import ABSENT, clean, count, shortened, significant

_CPU, _XNNPACK = "CPU kernel", "XNNPACK"
_NAME_WIDTH = 48
_COLUMNS = (
    "model",
    "variant",
    "delegate",
    "threads",
    "runtime",
    "position",
    "subgraph",
    "runs_on",
    "partition",
    "operator_index",
    "operator",
    "calls",
    "share",
    "share_low",
    "share_high",
    "time_us",
    "cut_us",
    "node_match",
    "node",
    "node_operator",
    "outputs",
)
#: From white over yellow to red: what takes nothing stays as it is.
_GRADIENT = ({"stop": 0, "bgColor": "#ffffff"}, {"stop": 0.3, "bgColor": "#ffe08a"}, {"stop": 1, "bgColor": "#d94032"})


def render_profile(profile: Profile, top: int, *, width: int | None = None) -> str:
    """Return a profile as text for a terminal: types first, then the ``top`` operators with most time.

    Sentences are wrapped to ``width`` characters where given; tables need about 130.
    """
    leaves = [item for item in profile.operators if item.share is not None]
    ranked = sorted(leaves, key=lambda item: -item.time_us)
    shown = ranked[:top]
    title = f"Operators with most time ({len(shown)} of {len(ranked)})" if len(shown) < len(ranked) else "Operators"
    parts = [
        "\n".join(wrapped(line, width) for line in [_title(profile), *_facts(profile)]),
        f"By type\n{_types(profile)}",
        f"{title}\n{_operators(profile, shown)}",
        "\n".join(wrapped(line, width) for line in [*_resolution(profile), *map(clean, profile.notes)]),
    ]
    return "\n\n".join(parts) + "\n"


def _title(profile: Profile) -> str:
    where = "" if profile.device == LOCAL else f" on {clean(profile.device)}"
    return f"Profile of {clean(profile.model)}/{clean(profile.variant)}{where}: shares of time, not latencies"


def _facts(profile: Profile) -> list[str]:
    signature = f", signature {clean(profile.signature)}" if profile.signature else ""
    pinned = f", CPUs {clean(profile.cpus)}" if profile.cpus else ""
    accounted = profile.operators_us / profile.invoke_us if profile.invoke_us else 0.0
    lines = [
        f"{profile.runtime.package} {profile.runtime.version}, delegate {profile.delegate}, "
        f"{count(profile.threads, 'thread')}{pinned}{signature}",
        f"A profiled run takes {microseconds(profile.invoke_us)} us in the graph, {accounted:.0%} of it in operators; "
        f"a run without the profiler {microseconds(profile.plain_us)} us.",
    ]
    if not profile.tells_shares:
        lines.append(too_quick(profile))
    return lines


def too_quick(profile: OperatorProfile) -> str:
    """Return the line that says why a profile has no shares."""
    return (
        f"Too quick to tell shares: XNNPACK told {microseconds(profile.operators_us)} us in whole microseconds and "
        f"may have cut off up to {microseconds(profile.resolution.cut_us)} us more. --delegate none has no such cut, "
        "but runs other kernels."
    )


def _types(profile: Profile) -> str:
    heads = ["type", "on", "count", "share %", "range %", "us a run"]
    body = [
        [
            shortened(clean(item.tag), _NAME_WIDTH),
            runs_on(item.delegated),
            str(item.count),
            *share_cells(profile, item),
            microseconds(item.time_us),
        ]
        for item in profile.types
    ]
    return grid(heads, body, ["left", "left", "right", "decimal", "right", "decimal"])


def _operators(profile: Profile, shown: Sequence[OperatorTime]) -> str:
    places = {item.key: position for position, item in enumerate(profile.operators)}
    heads = ["#", "operator", "on", "share %", "range %", "us a run", "node", "output"]
    outputs = without_common_folders([", ".join(item.output_names) for item in shown])
    body = [
        [
            str(places[item.key]),
            shortened(clean(item.key.tag), _NAME_WIDTH),
            runs_on(item.key.delegated),
            *share_cells(profile, item),
            microseconds(item.time_us),
            node_cell(item),
            shortened(clean(output), _NAME_WIDTH) or ABSENT,
        ]
        for item, output in zip(shown, outputs, strict=True)
    ]
    return grid(heads, body, ["right", "left", "left", "decimal", "right", "decimal", "left", "left"])


def share_cells(profile: OperatorProfile, item: OperatorTime | TypeTime) -> tuple[str, str]:
    """Return an operator's share and its range in percent, or marks where there are none."""
    if item.share is None or not profile.tells_shares:
        return ABSENT, ABSENT
    if profile.reported_by is not None:
        return f"{100 * item.share:.1f}", ABSENT
    return f"{100 * item.share:.1f}", f"{100 * item.share_low:.1f} – {100 * item.share_high:.1f}"


def without_common_folders(names: Sequence[str]) -> list[str]:
    """Return the names without the leading ``a/b/`` that all of them share: what is left tells them apart."""
    known = [name.split("/")[:-1] for name in names if name]
    common = 0
    if len(known) > 1:
        for parts in zip(*known, strict=False):
            if len(set(parts)) > 1:
                break
            common += 1
    return ["/".join(name.split("/")[common:]) if name else "" for name in names]


def node_cell(item: OperatorTime) -> str:
    """Return the node of an operator: ``~2:0 CONV_2D`` is node 0 of subgraph 2, matched by order."""
    if item.node is None:
        return ABSENT
    inside = f"{item.key.subgraph}:" if item.key.subgraph else ""
    sign = "~" if item.match is Match.ORDER else ""
    return f"{sign}{inside}{item.node} {clean(item.node_operator or '')}"


def _resolution(profile: Profile) -> list[str]:
    known = profile.resolution
    lines = [f"The quicker half of {count(known.runs, 'run')} counts."]
    if profile.tells_shares:
        lines[0] += (
            f" The shares of {known.resolved} of {count(known.operators, 'operator')}, {known.resolved_share:.0%} of "
            "the time, are known to within a tenth of themselves."
        )
        if known.cut_us:
            lines.append(
                "XNNPACK cuts each time down to whole microseconds: each of its operators may take up to 1 us more "
                f"than shown, all of them up to {microseconds(known.cut_us)} us; the ranges allow for it."
            )
    return lines


def render_profiles_csv(profiles: Sequence[Profile]) -> str:
    """Return one line per operator of each profile, in the order in which they run. Shares are from 0 to 1."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for profile in profiles:
        for position, item in enumerate(profile.operators):
            writer.writerow(_row(profile, position, item))
    return stream.getvalue()


def _row(profile: Profile, position: int, item: OperatorTime) -> dict[str, Any]:
    return {
        "model": clean(profile.model),
        "variant": clean(profile.variant),
        "delegate": profile.delegate,
        "threads": profile.threads,
        "runtime": f"{profile.runtime.package} {profile.runtime.version}",
        "position": position,
        "subgraph": item.key.subgraph,
        "runs_on": runs_on(item.key.delegated),
        "partition": item.key.partition if item.key.delegated else "",
        "operator_index": item.key.index,
        "operator": clean(item.key.tag),
        "calls": f"{item.calls:g}",
        "share": "" if item.share is None else f"{item.share:.6f}",
        "time_us": f"{item.time_us:.3f}",
        "share_low": "" if item.share is None else f"{item.share_low:.6f}",
        "share_high": "" if item.share is None else f"{item.share_high:.6f}",
        "cut_us": f"{item.cut_us:.3f}",
        "node_match": item.match.value,
        "node": "" if item.node is None else item.node,
        "node_operator": clean(item.node_operator or ""),
        "outputs": ";".join(clean(name) for name in item.output_names),
    }


def render_profiles_json(profiles: Sequence[Profile], failures: Sequence[FailedProfile]) -> str:
    """Return everything as JSON: ``times_are`` says in words that profiled times are no latencies."""
    record = {
        "times_are": "shares of a profiled run, not latencies",
        "profiles": [asdict(profile) for profile in profiles],
        "failed": [asdict(failure) for failure in failures],
    }
    return json.dumps(record, indent=1)


def render_model_explorer(profile: Profile) -> str:
    """Return node data for Model Explorer: per graph, output tensor name -> share of the time in percent.

    Only nodes that an operator could be matched to are in it. Where several operators have one node, it has their sum.
    """
    graphs: dict[str, dict[str, float]] = {}
    for item in profile.operators:
        if item.share is None:
            continue
        results = graphs.setdefault(graph_id(profile.subgraph_names, item.key.subgraph), {})
        for name in item.output_names:
            results[name] = results.get(name, 0.0) + 100 * item.share
    return node_data(graphs, _GRADIENT)


def runs_on(delegated: bool) -> str:
    """Return who runs an operator."""
    return _XNNPACK if delegated else _CPU


def microseconds(value: float) -> str:
    """Return a time without its unit: hundredths below 10, else three significant digits."""
    return f"{value:.2f}" if value < 10 else significant(value)
