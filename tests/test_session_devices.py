"""The devices of a pytest session, and runs of tests on them, without pytest and without boards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice
from edgebench.errors import DeviceLost, DeviceRefused, EdgebenchError, UsageError
from edgebench.records import Status
from edgebench.testing.deferred import Deferred
from edgebench.testing.devices import SessionDevices, session_config
from edgebench.testing.marked import make_request
from several import FAST, Bench

LOST = DeviceLost("pi@fast: no route to host")


class Link(FakeDevice):
    """A fake device whose connection can be lost between runs; it counts how often it was made and ended."""

    def __init__(self, **options: Any) -> None:
        super().__init__(FAST, name="fast", **options)
        self.is_cut = False
        self.made = self.closed = 0

    def state(self) -> dict[str, Any]:
        if self.is_cut:
            raise LOST
        return dict(super().state())

    def reconnect(self) -> None:
        super().reconnect()
        self.is_cut = False
        self.made += 1

    def close(self) -> None:
        self.closed += 1


class Shelf:
    """Devices by name, and the names in the order in which they were opened."""

    def __init__(self, **devices: Device) -> None:
        self.devices = devices
        self.opened: list[str] = []
        self.session = SessionDevices(self.open)

    def open(self, text: str) -> Device:
        self.opened.append(text)
        if text not in self.devices:
            raise UsageError(f"--device {text}: no such device")
        return self.devices[text]


def test_a_device_is_opened_once_and_closed_at_the_end() -> None:
    link = Link()
    shelf = Shelf(pi=link)
    shelf.session.connect(["pi", "pi"])
    assert shelf.session.get("pi") is link
    assert (shelf.opened, link.made, link.closed) == (["pi"], 0, 0)
    shelf.session.close()
    assert link.closed == 1


def test_a_connection_that_was_lost_meanwhile_is_made_again() -> None:
    link = Link()
    shelf = Shelf(pi=link)
    shelf.session.connect(["pi"])
    link.is_cut = True
    assert shelf.session.get("pi") is link
    assert (link.made, link.is_cut) == (1, False)


def test_one_that_stays_away_is_not_waited_for_again() -> None:
    shelf = Shelf(pi=Link(reconnects=[LOST]))
    link = shelf.session.get("pi")
    assert isinstance(link, Link)
    link.is_cut = True
    for _ in range(2):
        with pytest.raises(DeviceLost, match="no route to host"):
            shelf.session.get("pi")
    assert (shelf.opened, link.made) == (["pi"], 0)


@pytest.mark.parametrize("refusal", [LOST, DeviceRefused("pi@fast: in use by somebody")])
def test_a_device_that_cannot_be_had_is_not_tried_again_for_each_test(refusal: EdgebenchError) -> None:
    link = Link(refusal=refusal)
    shelf = Shelf(pi=link)
    for _ in range(2):
        with pytest.raises(type(refusal), match=str(refusal)):
            shelf.session.connect(["pi"])
        with pytest.raises(UsageError, match="--device mars: no such device"):
            shelf.session.get("mars")
    assert shelf.opened == ["pi", "mars"]
    assert link.closed == 1
    shelf.session.close()
    assert link.closed == 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def measured_on(shelf: Shelf, bench: Bench, **keywords: Any) -> tuple[Deferred, Any]:
    deferred = Deferred(shelf.session)
    given = {"model": bench.models[0], "blocks": 1, "device": "pi", **keywords}
    return deferred, deferred.measure(make_request(given))


def test_tests_of_one_device_are_measured_there_and_it_is_told(bench: Bench) -> None:
    link = Link()
    shelf = Shelf(pi=link)
    deferred, measured = measured_on(shelf, bench)
    assert measured.case.device == "fast"
    assert measured.case.latency.p50_ns == 2_000_000
    assert list(deferred.told_devices()) == ["fast"]
    assert deferred.told_devices()["fast"]["machine"] == link.environment().machine
    other = deferred.measure(make_request({"model": bench.models[1], "blocks": 1, "device": "pi"}))
    assert (other.run.record.devices[0].name, shelf.opened, link.closed) == ("fast", ["pi"], 0)


def test_a_python_of_the_device_is_not_looked_for_here(bench: Bench) -> None:
    _, measured = measured_on(Shelf(pi=Link()), bench, python="/opt/nowhere/python3")
    assert measured.case.python_path == "/opt/nowhere/python3"


def test_a_device_that_drops_out_is_failing_tests_and_no_interrupt(bench: Bench) -> None:
    shelf = Shelf(pi=Link(cuts=[("burst", 3)], reconnects=[LOST]))
    _, measured = measured_on(shelf, bench, blocks=3)
    assert measured.case.status is not Status.OK
    assert "no route to host" in measured.case.failure.message


def test_this_machine_is_no_condition_of_its_own() -> None:
    request = make_request({"model": "net.tflite"}, device="pi")
    assert request.conditions.device == "pi"
    assert make_request({"model": "net.tflite", "device": "local"}, device="pi") == make_request(
        {"model": "net.tflite"}
    )


def test_the_file_of_the_current_folder_goes_before_that_of_rootdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, root = tmp_path / "here", tmp_path / "root"
    for folder in (here, root):
        (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(here)

    class Config:
        rootpath = root

    config: Any = Config()
    assert session_config(config) is None
    (root / "edgebench.toml").write_text("")
    assert session_config(config) == root / "edgebench.toml"
    (here / "edgebench.toml").write_text("")
    assert session_config(config) == Path("edgebench.toml")
