"""Which case of one run is which of another: by case id, across devices without the device's part of it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..changes import is_older_self
from ..errors import UsageError
from ..records import CaseResult, RunRecord
from .what_differs import unlike_machines

_IDS_SHOWN = 2


@dataclass(frozen=True)
class Matched:
    """Pairs of (base, new), ids that only one side has, and in words how the devices differ (None: they do not)."""

    pairs: tuple[tuple[CaseResult, CaseResult], ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    unlike: str | None


def match_cases(base: RunRecord, new: RunRecord, *, cross_device: bool) -> Matched:
    """Return the cases of two runs that belong together, in the base's order.

    Raises:
        UsageError: the runs are of unlike devices and ``cross_device`` was not asked for, or have no case in common.
    """
    unlike = _unlike(base, new)
    if unlike is not None and not cross_device:
        raise UsageError(
            f"the two runs are of unlike devices ({unlike}): their times say nothing about a change; to compare them "
            "all the same, add --cross-device"
        )
    keys, new_keys = (_keys(side.cases, cross_device=cross_device) for side in (base, new))
    pairs = tuple((case, new_keys[key]) for key, case in keys.items() if key in new_keys)
    if not pairs:
        raise UsageError(_nothing_in_common(base, new))
    return Matched(
        pairs,
        tuple(case.case_id for key, case in keys.items() if key not in new_keys),
        tuple(case.case_id for key, case in new_keys.items() if key not in keys),
        unlike,
    )


def _unlike(base: RunRecord, new: RunRecord) -> str | None:
    machines = unlike_machines(base, new)
    if machines is not None:
        return machines
    shared = {case.case_id for case in base.cases} & {case.case_id for case in new.cases}
    sides = [{_without_device(case) for case in side.cases} for side in (base, new)]
    if shared or not sides[0] & sides[1]:
        return None
    names = [", ".join(sorted({case.device for case in side.cases})) for side in (base, new)]
    return f"devices {names[0]} and {names[1]}"


def _keys(cases: Sequence[CaseResult], *, cross_device: bool) -> Mapping[str, CaseResult]:
    """Return cases by what tells them apart; a run of several devices keeps the device's name where it must."""
    own = [case for case in cases if not is_older_self(case)]
    counts = Counter(_without_device(case) for case in own)
    return {
        _without_device(case) if cross_device and counts[_without_device(case)] == 1 else case.case_id: case
        for case in own
    }


def _without_device(case: CaseResult) -> str:
    return case.case_id.replace(f"@{case.device}/", "@/", 1)


def _nothing_in_common(base: RunRecord, new: RunRecord) -> str:
    ids, new_ids = ([case.case_id for case in side.cases] for side in (base, new))
    near = [
        f"{one} and {close[0]}" for one in ids if (close := difflib.get_close_matches(one, new_ids, n=1, cutoff=0.6))
    ]
    if near:
        return (
            f"the two runs have no case in common; near ones are {'; '.join(near[:_IDS_SHOWN])}: give both the same "
            "name with MODEL/VARIANT=FILE"
        )
    models = [", ".join(sorted({case.model for case in side.cases})) or "nothing" for side in (base, new)]
    return f"the two runs have no case in common: {base.run_id} measured {models[0]}, {new.run_id} {models[1]}"
