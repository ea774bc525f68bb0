"""What Android tells against a measurement."""

from __future__ import annotations

from typing import Any

import pytest
from edgebench.analysis.disturbance import disturbances, unchecked
from edgebench.analysis.load_state import held_down
from edgebench.analysis.phone import saver_finding, screen_finding, thermal_finding
from edgebench.analysis.remedies import remedy
from edgebench.analysis.surroundings import standing_findings
from edgebench.analysis.verdict import STANDING, block_findings
from edgebench.findings import Code, Finding, Severity


def at(status: str | None = None, taken_ns: int = 0, **more: Any) -> dict[str, Any]:
    told = {} if status is None else {"thermal_status": status}
    return {"taken_ns": taken_ns, "unavailable": {}, **told, **more}


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        ("none", "none", None),
        (None, None, None),
        ("none", "light", Severity.SUSPECT),
        ("light", "none", Severity.SUSPECT),
        ("none", "moderate", Severity.INVALID),
        ("shutdown", "none", Severity.INVALID),
        (None, "severe", Severity.INVALID),
    ],
)
def test_androids_thermal_status(before: str | None, after: str | None, severity: Severity | None) -> None:
    found = thermal_finding(at(before), at(after))
    assert (found.severity if found else None) is severity
    if found:
        assert found.code is Code.THROTTLED
        assert f"thermal status {after if after not in (None, 'none') else before}" in found.reason
        assert found in disturbances(at(before), at(after))


def test_a_warm_core_is_androids_to_judge() -> None:
    def hot(status: str | None, **zone: float) -> list[Finding]:
        snapshot = at(status, temperatures={"android-BIG": {"type": "BIG (CPU)", "celsius": 88.0, **zone}})
        return [finding for finding in disturbances(snapshot, snapshot) if finding.code is Code.HOT]

    assert hot("none") == []
    assert "the clock goes down at 80" in hot(None)[0].reason
    assert "the clock goes down at 90" in hot("none", limit_celsius=90.0)[0].reason


def test_a_status_in_one_block_of_many_is_told_and_suspect() -> None:
    cool, hot = (at("none"), at("none")), (at("none"), at("severe"))
    found = [finding for finding in block_findings([cool, cool, hot, cool]) if finding.code is Code.THROTTLED]
    assert [finding.severity for finding in found] == [Severity.SUSPECT]
    assert found[0].reason.startswith("in 1 of 4 blocks: ")


def test_a_phone_that_tells_its_status_is_checked_for_throttling() -> None:
    assert Code.THROTTLED in unchecked(at())
    assert Code.THROTTLED not in unchecked(at("none"))
    assert held_down(at(), at()) is None
    assert held_down(at("none"), at("none")) is False
    assert held_down(at("none"), at("moderate")) is True


def test_battery_saver_stands_against_all_figures() -> None:
    assert saver_finding(at(power_saver=False)) is None
    finding = saver_finding(at(power_saver=True))
    assert finding is not None
    assert finding in standing_findings(at(power_saver=True), {})
    assert finding.code in STANDING
    phone = {"android": "Android 14"}
    found = remedy(finding, at(), phone)
    assert found is not None
    assert (found.command, found.undo) == ("settings put global low_power 0", "settings put global low_power 1")


def test_a_screen_that_changes() -> None:
    assert screen_finding([at(screen="on"), at(), at(screen="on")]) is None
    finding = screen_finding([at(screen="on"), at(screen="off"), at(screen="off")])
    assert finding is not None
    assert "(on → off)" in finding.reason
    assert finding in block_findings([(at(screen="on"), at(screen="on")), (at(screen="off"), at(screen="off"))])


def test_a_phones_governor_is_not_its_shells_to_set() -> None:
    snapshot = at(cpu_clocks={"0": {"governor": "sched_pixel"}})
    (on_board,) = standing_findings(snapshot, {})
    (on_phone,) = standing_findings(snapshot, {"android": "Android 14"})
    assert "--set-governor" in on_board.hint
    assert "--set-governor" not in on_phone.hint
    assert _command(on_board, snapshot, {}) is not None
    assert _command(on_phone, snapshot, {"android": "Android 14"}) is None


def _command(finding: Finding, snapshot: dict[str, Any], machine: dict[str, Any]) -> str | None:
    found = remedy(finding, snapshot, machine)
    return found.command if found else None
