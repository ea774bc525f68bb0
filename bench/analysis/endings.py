"""How a run ended that is not finished: stopped by hand, or because devices dropped out."""

from __future__ import annotations

from ..errors import DeviceLost, DeviceRefused
from ..records import RunRecord

_DEVICE_CODES = frozenset({DeviceLost.code, DeviceRefused.code})


def dropped_devices(record: RunRecord) -> tuple[str, ...]:
    """Return the devices that dropped out before their cases were finished, in the record's order."""
    found = (case.device for case in record.cases if case.failure is not None and case.failure.code in _DEVICE_CODES)
    return tuple(dict.fromkeys(found))


def stopped_by_hand(record: RunRecord) -> bool:
    """Return True where somebody stopped the run; else it is finished, but for devices that dropped out."""
    if not record.interrupted:
        return False
    stopped = any(case.failure is not None and case.failure.code == "interrupted" for case in record.cases)
    return stopped or not dropped_devices(record)
