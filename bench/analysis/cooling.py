"""Whether the device was as cool as asked for when a block began, and what all blocks come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..findings import Code, Finding, Severity
from ..records import Cooling

_MINUTE_NS = 60 * 10**9


@dataclass(frozen=True)
class BlockCooling:
    """One wait before a block: how long, and how warm the warmest of the ``zones`` was before and after it.

    A temperature is None where it could not be read, ``unread`` then says why.
    """

    limit_celsius: float
    waited_ns: int
    before_celsius: float | None
    after_celsius: float | None
    zones: tuple[str, ...] = ()
    unread: str | None = None

    @property
    def reached(self) -> bool:
        """Whether the device is known to have been as cool as asked for."""
        return self.after_celsius is not None and self.after_celsius <= self.limit_celsius


def not_cooled(cooling: BlockCooling) -> Finding | None:
    """Return a finding where a block began warmer than asked for."""
    if cooling.reached:
        return None
    asked, waited = f"asked for {degrees(cooling.limit_celsius)}", waited_words(cooling.waited_ns)
    if cooling.after_celsius is None:
        reason = f"{asked}, but the temperature could not be read: {cooling.unread or 'no reason given'}"
    else:
        reason = f"still {degrees(cooling.after_celsius)} after {waited}, {asked}"
    hint = "give it longer (--cool-timeout), more air, or a limit that it reaches (--cool-to)"
    return Finding(Code.NOT_COOLED, Severity.SUSPECT, reason, hint)


def cooling_facts(blocks: Iterable[BlockCooling]) -> Cooling | None:
    """Return what the waits before blocks come to, None where there were none to be."""
    listed = list(blocks)
    if not listed:
        return None
    warmest = max((block.after_celsius for block in listed if block.after_celsius is not None), default=None)
    unread = next((block.unread for block in listed if block.unread is not None), "no reason given")
    return Cooling(
        limit_celsius=listed[0].limit_celsius,
        zones=tuple(dict.fromkeys(zone for block in listed for zone in block.zones)),
        blocks=len(listed),
        waits=sum(block.waited_ns > 0 for block in listed),
        waited_ns=sum(block.waited_ns for block in listed),
        too_warm=sum(not block.reached for block in listed),
        warmest_celsius=warmest,
        unavailable={"warmest_celsius": unread} if warmest is None else {},
    )


def degrees(celsius: float) -> str:
    """Return a temperature for people, such as ``55 °C``."""
    return f"{round(celsius, 1):g} °C"


def waited_words(waited_ns: int) -> str:
    """Return how long somebody waited, for people: seconds below two minutes."""
    if waited_ns < 2 * _MINUTE_NS:
        return f"{waited_ns / 1e9:.0f} s"
    return f"{round(waited_ns / _MINUTE_NS, 1):g} min"
