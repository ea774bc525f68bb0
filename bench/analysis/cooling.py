"""Whether the device was as cool as asked for when a block began, and what all blocks come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..findings import Code, Finding, Severity
from ..readings import ThermalStatus
from ..records import Cooling

_MINUTE_NS = 60 * 10**9


@dataclass(frozen=True)
class BlockCooling:
    """One wait before a block: how long, and how warm the warmest of the ``zones`` was before and after it.

    What was asked for is a temperature or Android's thermal status. Either is None where it could not be read, and
    ``unread`` says why of the one that was asked for.
    """

    limit_celsius: float | None
    waited_ns: int
    before_celsius: float | None
    after_celsius: float | None
    zones: tuple[str, ...] = ()
    unread: str | None = None
    limit_status: ThermalStatus | None = None
    before_status: ThermalStatus | None = None
    after_status: ThermalStatus | None = None

    @property
    def reached(self) -> bool:
        """Whether the device is known to have been as cool as asked for."""
        if self.limit_status is not None:
            return self.after_status is not None and self.after_status.severity <= self.limit_status.severity
        celsius, limit = self.after_celsius, self.limit_celsius
        return celsius is not None and limit is not None and celsius <= limit

    @property
    def asked(self) -> str:
        """What was asked for, for people."""
        return limit_words(self.limit_celsius, self.limit_status)

    @property
    def after(self) -> str | None:
        """How warm it was in the end, for people, None where that could not be read."""
        if self.limit_status is not None:
            return status_words(self.after_status) if self.after_status is not None else None
        return degrees(self.after_celsius) if self.after_celsius is not None else None


def not_cooled(cooling: BlockCooling) -> Finding | None:
    """Return a finding where a block began warmer than asked for."""
    if cooling.reached:
        return None
    asked, waited = f"asked for {cooling.asked}", waited_words(cooling.waited_ns)
    if cooling.after is None:
        what = "thermal status" if cooling.limit_status is not None else "temperature"
        reason = f"{asked}, but the {what} could not be read: {cooling.unread or 'no reason given'}"
    else:
        reason = f"still {cooling.after} after {waited}, {asked}"
    hint = "give it longer (--cool-timeout), more air, or a limit that it reaches (--cool-to)"
    return Finding(Code.NOT_COOLED, Severity.SUSPECT, reason, hint)


def cooling_facts(blocks: Iterable[BlockCooling]) -> Cooling | None:
    """Return what the waits before blocks come to, None where there were none to be."""
    listed = list(blocks)
    if not listed:
        return None
    warmest = max((block.after_celsius for block in listed if block.after_celsius is not None), default=None)
    statuses = [block.after_status for block in listed if block.after_status is not None]
    unread = next((block.unread for block in listed if block.unread is not None), "no reason given")
    by_status = listed[0].limit_status is not None
    untold = {"worst_status": by_status and not statuses, "warmest_celsius": not by_status and warmest is None}
    return Cooling(
        limit_celsius=listed[0].limit_celsius,
        limit_status=listed[0].limit_status,
        worst_status=max(statuses, key=lambda status: status.severity, default=None),
        zones=tuple(dict.fromkeys(zone for block in listed for zone in block.zones)),
        blocks=len(listed),
        waits=sum(block.waited_ns > 0 for block in listed),
        waited_ns=sum(block.waited_ns for block in listed),
        too_warm=sum(not block.reached for block in listed),
        warmest_celsius=warmest,
        unavailable={field: unread for field, missing in untold.items() if missing},
    )


def limit_words(celsius: float | None, status: ThermalStatus | None) -> str:
    """Return what a device is to be cooled to, for people."""
    return status_words(status) if status is not None else degrees(celsius or 0)


def status_words(status: ThermalStatus | None) -> str:
    """Return Android's thermal status for people, such as ``thermal status none``."""
    return f"thermal status {status.value if status is not None else 'unknown'}"


def degrees(celsius: float) -> str:
    """Return a temperature for people, such as ``55 °C``."""
    return f"{round(celsius, 1):g} °C"


def waited_words(waited_ns: int) -> str:
    """Return how long somebody waited, for people: seconds below two minutes."""
    if waited_ns < 2 * _MINUTE_NS:
        return f"{waited_ns / 1e9:.0f} s"
    return f"{round(waited_ns / _MINUTE_NS, 1):g} min"
