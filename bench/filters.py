"""Choosing stored results by name, machine and time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from fnmatch import fnmatchcase

from .errors import UsageError
from .index import Row

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(h|d|w)")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_NEAR = 4


@dataclass(frozen=True)
class Filters:
    """What to keep: globs (``*``, ``?``, ``[...]``) of names, and times in UTC, both ends included.

    ``case`` is a glob of whole case ids, or of what stands before their ``@``. ``last`` keeps the newest runs of each
    case on each host.
    """

    case: str | None = None
    model: str | None = None
    variant: str | None = None
    device: str | None = None
    host: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    last: int | None = None


_NAMES: dict[str, Callable[[Row], str]] = {
    "case": lambda row: row.case_id,
    "model": lambda row: row.model,
    "variant": lambda row: row.variant,
    "device": lambda row: row.device,
    "host": lambda row: row.host.hostname,
}


def choose(rows: Sequence[Row], filters: Filters) -> list[Row]:
    """Return the rows that pass every filter, in their order.

    Raises:
        UsageError: none is left; near names are told where one matches nothing at all.
    """
    kept = list(rows)
    for name, name_of in _NAMES.items():
        wanted: str | None = getattr(filters, name)
        if wanted is not None:
            there = sorted({name_of(row) for row in rows})
            chosen = {text for text in there if _matches(text, wanted, head=name == "case")}
            if not chosen:
                raise UsageError(_no_such(name, wanted, there))
            kept = [row for row in kept if name_of(row) in chosen]
    kept = [row for row in kept if _within(row.created, filters)]
    if rows and not kept:
        raise UsageError(f"no stored result passes all of these filters together; {_span(rows)}")
    return kept if filters.last is None else _newest(kept, filters.last)


def parse_moment(text: str, flag: str, now: datetime, *, end: bool = False) -> datetime:
    """Return the moment in UTC that a person wrote: a date, a time, or an age such as ``30d``.

    A time without a zone is in UTC; a date is its first moment, with ``end`` its last.

    Raises:
        UsageError: it is none of these.
    """
    if _AGE.fullmatch(text.strip()):
        return now - parse_age(text, flag)
    try:
        day = date.fromisoformat(text.strip())
        return datetime.combine(day, time.max if end else time.min, timezone.utc)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{flag} {text}: is no date; write 2026-11-25, 2026-11-25T13:00 (UTC) or an age, 30d"
        ) from None


def parse_age(text: str, flag: str) -> timedelta:
    """Return how long ``90d``, ``12h`` or ``2w`` is. Raises UsageError for anything else."""
    found = _AGE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{flag} {text}: is no age; write 12h, 90d or 8w")
    try:
        age = timedelta(hours=float(found.group(1)) * _HOURS[found.group(2)])
        # Beyond the calendar nothing can be that old.
        return min(age, timedelta(days=36_500))
    except OverflowError:
        return timedelta(days=36_500)


def near(wanted: str, there: Sequence[str]) -> str:
    """Return the names that are most like the wanted one, or some of those there are, for people."""
    close = difflib.get_close_matches(wanted.replace("*", ""), there, n=_NEAR, cutoff=0.5)
    shown = close or list(there[:_NEAR])
    more = "" if close or len(there) <= _NEAR else f" and {len(there) - _NEAR} more"
    return f"{'near it' if close else 'there are'}: {', '.join(shown)}{more}"


def _no_such(name: str, wanted: str, there: Sequence[str]) -> str:
    heads = sorted({text.split("@")[0] for text in there}) if name == "case" and "@" not in wanted else list(there)
    return f"no stored {name} matches {wanted!r}; {near(wanted, heads)}"


def _matches(text: str, wanted: str, *, head: bool) -> bool:
    """Return True for a glob that matches; brackets in a case's own id are no pattern."""
    texts = {text, text.split("@")[0]} if head else {text}
    return wanted in texts or any(fnmatchcase(found, wanted) for found in texts)


def _within(moment: datetime, filters: Filters) -> bool:
    after = filters.since is None or moment >= filters.since
    return after and (filters.until is None or moment <= filters.until)


def _span(rows: Sequence[Row]) -> str:
    first, last = min(row.created for row in rows), max(row.created for row in rows)
    return f"stored ones are from {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _newest(rows: Sequence[Row], number: int) -> list[Row]:
    places: dict[object, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault((row.case_id, row.host), []).append(place)
    kept = {place for of_case in places.values() for place in of_case[-number:]}
    return [row for place, row in enumerate(rows) if place in kept]
