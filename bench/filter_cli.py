"""The flags that choose stored results, and what they come to."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    from .filters import Filters


def add_filters(to: argparse._ActionsContainer) -> None:
    """Add the flags to a parser or a group of one."""
    to.add_argument("--model", metavar="GLOB", help="of these models")
    to.add_argument("--variant", metavar="GLOB", help="of these variants")
    to.add_argument("--device", metavar="GLOB", help="measured on these devices")
    to.add_argument("--host", metavar="GLOB", help="measured by hosts of this name")
    to.add_argument("--since", metavar="TIME", help="not before: 2026-11-01, 2026-11-01T13:00 (UTC) or an age, 30d")
    to.add_argument("--until", metavar="TIME", help="not after; a date counts as a whole")
    to.add_argument("--last", type=int, metavar="N", help="the newest N runs of each case on each host")


def filters_of(options: argparse.Namespace, case: str | None, now: datetime) -> Filters:
    """Return what the flags say. Raises UsageError for a time that is none, or a number below 1."""
    from .filters import Filters, parse_moment

    if options.last is not None and options.last < 1:
        raise UsageError(f"--last {options.last}: must be at least 1")
    since = parse_moment(options.since, "--since", now) if options.since else None
    until = parse_moment(options.until, "--until", now, end=True) if options.until else None
    if since and until and since > until:
        raise UsageError(f"--since {options.since} is after --until {options.until}")
    return Filters(
        case=case,
        model=options.model,
        variant=options.variant,
        device=options.device,
        host=options.host,
        since=since,
        until=until,
        last=options.last,
    )
