"""Devices as plain text: those of edgebench.toml, and what a check found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .doctor import render_advice, render_unchecked
from .text import clean, count, significant

if TYPE_CHECKING:
    from ..setup.benchmark_model import Origin
    from ..setup.checking import Check, Listed

#: Certificates and the ages of files go wrong by then; measuring itself uses no wall clock.
_CLOCK_S = 60.0
_HASH_SHOWN = 12
_NO_DEVICES = """\
edgebench.toml names no device; add one:

  [devices.pi]
  ssh = "pi@raspberrypi.local"

  [devices.phone]
  adb = ""    # the only phone that is attached, or its serial
"""


def render_devices(listed: Sequence[Listed]) -> str:
    """Return devices by name and address, and what they answered where they were asked."""
    if not listed:
        return _NO_DEVICES
    names = max(len(clean(one.name)) for one in listed)
    addresses = max(len(clean(one.address)) for one in listed)
    lines = []
    for one in listed:
        said = f"answers: {one.answer}" if one.answer else f"does not: {one.problem}" if one.problem else ""
        lines.append(f"{clean(one.name):<{names}}  {clean(one.address):<{addresses}}  {clean(said)}".rstrip())
    return "\n".join(lines) + "\n"


def render_check(found: Check, *, width: int | None = None, now: datetime | None = None) -> str:
    """Return what a check found, ending in a newline. ``now`` is the time by which the environment has its age."""
    rows = [
        ("device", f"{found.device} ({found.address})"),
        ("machine", _machine(found)),
        ("folder", _folder(found)),
        ("environment", _environment(found, now or datetime.now(timezone.utc))),
    ]
    if found.bare is None:
        rows.append(("in use", _holder(found.holder) if found.holder is not None else "no"))
    if found.tool is not None:
        rows.append(("benchmark_model", _tool(found.tool, now or datetime.now(timezone.utc))))
    if abs(found.clock_s) > _CLOCK_S:
        rows.append(("clock", f"{_span(abs(found.clock_s))} {'ahead' if found.clock_s > 0 else 'behind'}"))
    wide = max(len(name) for name, _ in rows)
    head = "\n".join(f"{name:<{wide}}  {clean(text)}" for name, text in rows)
    parts = [head, render_advice(found.advice, width), render_unchecked(found.unchecked, width)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _folder(found: Check) -> str:
    used = "" if found.used_bytes is None else _mb(found.used_bytes)
    free = "" if found.free_bytes is None else f"{_room(found.free_bytes)} free"
    return f"{found.root}: {', '.join(part for part in (used, free) if part) or 'its disk does not tell its room'}"


def _machine(found: Check) -> str:
    system, facts = found.system, found.machine
    known = [facts.get("board_model"), facts.get("soc"), system.system, system.machine]
    if system.cpus_logical is not None:
        known.append(count(system.cpus_logical, "CPU"))
    if system.memory_total_bytes is not None:
        known.append(f"{_mb(system.memory_total_bytes)} of memory")
    return ", ".join(dict.fromkeys(str(text) for text in known if text))


def _environment(found: Check, now: datetime) -> str:
    manifest = found.manifest
    if found.bare is not None:
        return f"none: it {found.bare}"
    if found.problem is not None:
        return f"cannot be used: {found.problem}; make it anew with: edgebench device setup {found.device}"
    if manifest is None:
        return f"none; make it with: edgebench device setup {found.device}"
    runtime, python = manifest["runtime"], manifest["python"]
    text = f"{runtime['package']} {runtime['version']}, Python {python['version']}, {_mb(found.env_bytes)}"
    return f"{text}, made {_age(str(manifest['made_utc']), now)} by edgebench {manifest['edgebench']}"


def _tool(tool: Origin, now: datetime) -> str:
    version = f"sha256:{tool.sha256[:_HASH_SHOWN]}, {_mb(tool.size_bytes)}"
    return f"{version}, from {tool.source}, fetched {_age(tool.fetched_utc, now)}"


def _holder(holder: Mapping[str, Any]) -> str:
    """Return who has the device; a holder may have left no name."""
    parts = [str(holder["who"])] if holder.get("who") else ["yes, by somebody who left no name"]
    parts += [f"({holder['what']})"] if holder.get("what") else []
    parts += [f"since {holder['since_utc']}"] if holder.get("since_utc") else []
    return " ".join(parts)


def _age(made_utc: str, now: datetime) -> str:
    try:
        made = datetime.strptime(made_utc, "%Y-%m-%d %H:%M UTC").replace(tzinfo=timezone.utc)
    except ValueError:
        return made_utc
    seconds = (now - made).total_seconds()
    return f"{made_utc} ({_span(seconds)} ago)" if seconds >= 60 else made_utc


def _span(seconds: float) -> str:
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            return count(int(seconds // length), name)
    return count(int(seconds), "second")


def _room(size_bytes: float) -> str:
    """Return the free room of a disk with its unit."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _mb(size_bytes: float) -> str:
    return f"{significant(size_bytes / 1e6)} MB"
