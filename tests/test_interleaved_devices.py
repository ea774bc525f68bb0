"""Where two builds take turns: on the stored run's devices, or on others; what is said where that is left open."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from devices.ssh_client import write_config
from edgebench.cli import main
from edgebench.config import Config
from edgebench.devices.base import Device
from edgebench.devices.fake import FakeDevice
from edgebench.errors import DeviceLost, UsageError
from edgebench.interleave import Side, interleaved_spec, open_side
from edgebench.interleaved_devices import Places, choose_places
from edgebench.records import CaseResult, DeviceRecord
from edgebench.spec import PythonTarget, Spec
from several import FAST, SLOW, Bench

LOST = DeviceLost("pi@slow: no route to host (given up after 9 attempts in 60 s)")
CONFIG = Config(devices={"fast": {"ssh": "pi@fast"}, "slow": {"ssh": "pi@slow"}})
SHORT = ("--blocks", "3", "--min-runs", "1", "--max-time", "500ms", "--warmup-time", "20ms", "--quiet")


class Reached(FakeDevice):
    """A fake device at an address."""

    def address(self) -> str | None:
        return f"pi@{self.name}:22"


def fast(**options: Any) -> FakeDevice:
    return Reached(FAST, name="fast", **options)


def slow(**options: Any) -> FakeDevice:
    return Reached(SLOW, name="slow", **options)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def stored(bench: Bench, *devices: FakeDevice) -> Side:
    bench.run(*devices)
    return open_side("latest", bench.out)


def a_model(bench: Bench) -> Side:
    return open_side(str(bench.paths[0]), bench.out)


def with_cases(side: Side, **changed: Any) -> Side:
    """Return the side with something else in each case of its run."""
    assert side.run is not None
    record = side.run.record
    cases = tuple(replace(case, **changed) for case in record.cases)
    return replace(side, run=replace(side.run, record=replace(record, cases=cases)))


def with_address(side: Side, name: str, address: str | None) -> Side:
    """Return the side measured on a device of that name and address."""
    side = with_cases(side, device=name)
    assert side.run is not None
    record = side.run.record
    devices: tuple[DeviceRecord, ...] = (replace(record.devices[0], name=name, address=address),)
    return replace(side, run=replace(side.run, record=replace(record, devices=devices)))


def test_two_models_are_measured_here(bench: Bench) -> None:
    assert choose_places(a_model(bench), a_model(bench), (), Config()) == Places(("local",), ("local",))
    there = choose_places(a_model(bench), a_model(bench), ("ssh://pi@board:2222",), Config())
    assert there == Places(("ssh://pi@board:2222",), ("board-2222",))


def test_a_stored_run_is_measured_where_it_was(bench: Bench) -> None:
    base = stored(bench, fast(), slow())
    both = Places(("fast", "slow"), ("fast", "slow"))
    assert choose_places(base, a_model(bench), (), CONFIG) == both
    assert choose_places(a_model(bench), base, (), CONFIG) == both
    assert choose_places(base, a_model(bench), ("slow",), CONFIG) == Places(("slow",), ("slow",))
    here = with_cases(base, device="local")
    assert choose_places(here, base, (), Config()) == Places(("local",), ("local",))


def test_a_device_that_is_not_known_here_has_its_remedy(bench: Bench) -> None:
    """By its address it is the same device, so that can be named; what a run tells is not connected to unasked."""
    base, new = stored(bench, fast()), a_model(bench)
    with pytest.raises(UsageError) as caught:
        choose_places(base, new, (), Config())
    assert str(caught.value) == (
        f"{base.name} was measured on fast, which is not known here; name it with --device ssh://pi@fast:22, or add "
        '[devices.fast] with ssh = "pi@fast:22" to edgebench.toml'
    )
    assert choose_places(base, new, ("ssh://pi@fast:22",), Config()).names == ("fast",)


def test_a_host_of_the_ssh_configuration_is_known(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_config(tmp_path / ".ssh" / "config", {"fast": {"HostName": "10.0.0.7"}})
    assert choose_places(stored(bench, fast()), a_model(bench), (), Config()) == Places(("fast",), ("fast",))


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("pi@10.0.0.7:22", 'not known here; add [devices.pi] with ssh = "pi@10.0.0.7:22" to edgebench.toml'),
        ("no address at all", 'not known here; add [devices.pi] with ssh = "no address at all" to edgebench.toml'),
        (None, "not known here; add [devices.pi] to edgebench.toml"),
    ],
)
def test_by_its_address_it_might_be_another_device(bench: Bench, address: str | None, remedy: str) -> None:
    base = with_address(stored(bench, fast()), "pi", address)
    with pytest.raises(UsageError) as caught:
        choose_places(base, a_model(bench), (), Config())
    assert str(caught.value).endswith(f"was measured on pi, which is {remedy}")


def test_another_device_than_the_runs_has_to_be_asked_for(bench: Bench) -> None:
    base, new = stored(bench, fast()), a_model(bench)
    with pytest.raises(UsageError, match=r"--device slow: .* was measured on fast; .* --cross-device takes turns on"):
        choose_places(base, new, ("slow",), CONFIG)
    with pytest.raises(UsageError, match=r"--device local: .* was measured on fast;"):
        choose_places(base, new, ("fast", "local"), CONFIG)
    assert choose_places(base, new, ("slow",), CONFIG, cross_device=True).names == ("slow",)
    with pytest.raises(UsageError, match="--device nowhere: no such device"):
        choose_places(base, new, ("nowhere",), CONFIG, cross_device=True)


def spec_for(side: Side, new: Side, *texts: str, names: tuple[str, ...] | None = None) -> Spec:
    return interleaved_spec(
        side, new, Spec(("asked",), devices=texts), own_ways=True, devices=texts if names is None else names
    )


def new_files(bench: Bench) -> Side:
    return Side("new", {("net", path.stem): path for path in bench.paths})


def test_cases_of_several_devices_are_asked_for_once(bench: Bench) -> None:
    base = stored(bench, fast(), slow())
    spec = spec_for(base, new_files(bench), "fast", "slow")
    assert [choice.variant for choice in spec.only] == ["a", "b"]


@pytest.mark.parametrize(
    ("path", "texts", "names", "found"),
    [
        ("/home/pi/.cache/edgebench/env/bin/python3", ("fast",), None, ()),
        ("/opt/python3.9", ("fast",), None, (PythonTarget("/opt/python3.9"),)),
        # Of another device it is no path.
        ("/opt/python3.9", ("slow",), None, ()),
        ("/opt/python3.9", ("local",), None, ()),
    ],
)
def test_a_python_that_was_chosen_there_is_chosen_again(
    bench: Bench, path: str, texts: tuple[str, ...], names: tuple[str, ...] | None, found: tuple[PythonTarget, ...]
) -> None:
    base = with_cases(stored(bench, fast()), python_path=path)
    assert spec_for(base, new_files(bench), *texts, names=names).pythons == found


def test_this_machines_own_python_is_none_that_was_chosen(bench: Bench) -> None:
    base = stored(bench, fast(), slow())
    assert base.run is not None
    own = {"fast": ("local", "/usr/bin/python3"), "slow": ("slow", "/home/pi/.cache/edgebench/env/bin/python3")}

    def placed(case: CaseResult, pythons: dict[str, tuple[str, str]]) -> CaseResult:
        name, path = pythons[case.device]
        return replace(case, device=name, python_path=path)

    def on(pythons: dict[str, tuple[str, str]]) -> Side:
        assert base.run is not None
        cases = tuple(placed(case, pythons) for case in base.run.record.cases)
        return replace(base, run=replace(base.run, record=replace(base.run.record, cases=cases)))

    assert spec_for(on(own), new_files(bench), "local", "slow").pythons == ()
    with pytest.raises(UsageError, match="local and slow ran under Pythons of other paths; choose one of them with --"):
        spec_for(on({**own, "slow": ("slow", "/opt/python3")}), new_files(bench), "local", "slow")


class Shelf:
    """Devices by name; ``asked`` are the names in the order of opening."""

    def __init__(self) -> None:
        self.devices: dict[str, FakeDevice] = {"fast": fast(), "slow": slow()}
        self.asked: list[str] = []

    def open(self, text: str, *_: Any, **__: Any) -> Device:
        self.asked.append(text)
        return self.devices[text]


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shelf:
    """Fake devices behind the names of an edgebench.toml."""
    found = Shelf()
    (tmp_path / "edgebench.toml").write_text('[devices.fast]\nssh = "pi@fast"\n[devices.slow]\nssh = "pi@slow"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgebench.devices.opening.open_device", found.open)
    return found


def compare(bench: Bench, *arguments: str) -> int:
    return main(["compare", *arguments, "--interleave", *SHORT, "--out", str(bench.out)])


def newer(bench: Bench) -> str:
    """Return the file of b as a new build of a."""
    return f"net/a={bench.paths[1]}"


def case_ids(printed: str) -> list[str]:
    return [case["case_id"] for case in json.loads(printed)["comparisons"][0]["cases"]]


def test_a_gate_is_judged_on_each_device_of_the_baseline(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new a is the file of b: twice as fast on the fast device, a quarter slower on the slow one."""
    bench.run(fast(), slow())
    gate = ("--gate", "p50 <= 1.05x", "--junit", str(bench.out / "gates.xml"))
    assert compare(bench, "latest", newer(bench), "--format", "json", *gate) == 1
    printed = capsys.readouterr()
    (comparison,) = json.loads(printed.out)["comparisons"]
    p50 = {
        case["case_id"].partition("@")[2].partition("/")[0]: next(
            change["value"] for change in case["changes"] if change["name"] == "p50"
        )
        for case in comparison["cases"]
    }
    assert p50 == pytest.approx({"fast": 0.5, "slow": 1.25})
    assert shelf.asked == ["fast", "slow"]
    assert "net/a@slow/" in (bench.out / "gates.xml").read_text()
    assert any("net/b: only the base has it" in note for note in comparison["notes"])


def test_one_device_of_the_baseline_is_chosen(bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(fast(), slow())
    flags = ("--format", "json", "--gate", "p50 <= 1.05x")
    assert compare(bench, "latest", newer(bench), "--device", "fast", *flags) == 0
    shown = capsys.readouterr().out
    assert case_ids(shown) == ["net/a@fast/interpreter.litert+default/t1"]
    assert "measured now on fast, latest (20260102-030405-net) on fast, slow" in shown
    assert shelf.asked == ["fast"]


def test_another_device_is_refused_unless_it_is_asked_for(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run(fast())
    assert compare(bench, "latest", newer(bench), "--device", "slow") == 2
    assert capsys.readouterr().err.startswith("edgebench: error: --device slow: latest (20260102-030405-net) was mea")
    assert shelf.asked == []
    assert compare(bench, "latest", "latest", "--device", "slow", "--cross-device", "--format", "json") == 0
    (comparison,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert [case["case_id"].partition("/inter")[0] for case in comparison["cases"]] == ["net/a@slow", "net/b@slow"]
    assert comparison["missing"] == []
    assert "measured now on slow, latest (20260102-030405-net) on fast" in comparison["notes"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--device", ","), "--device: names nothing; leave it out for what the stored run was measured on"),
        (("--cross-device",), "--cross-device: --interleave measures both sides on one device; name another with --de"),
        (("--device", "nowhere"), "--device nowhere: no such device; there are: fast, local, slow"),
    ],
)
def test_what_is_wrong_is_one_line(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], line: str
) -> None:
    bench.run(fast())
    assert compare(bench, "latest", newer(bench), *flags) == 2
    assert capsys.readouterr().err.startswith(f"edgebench: error: {line}")
    assert shelf.asked == []


def test_a_device_that_drops_out_is_not_judged(bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(fast(), slow())
    shelf.devices["slow"] = slow(cuts=[("burst", 8)], reconnects=[LOST])
    assert compare(bench, "latest", newer(bench), "--gate", "p50 <= 0.1x") == 3
    printed = capsys.readouterr()
    assert "gate" not in printed.out
    assert "edgebench run --resume" in printed.err


def test_no_device_is_one_line_and_nothing_is_stored(
    bench: Bench, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run(fast())
    shelf.devices["fast"] = fast(refusal=DeviceLost("pi@fast: no route to host"))
    assert compare(bench, "latest", newer(bench)) == 3
    assert capsys.readouterr().err == "edgebench: error: pi@fast: no route to host\n"
    assert bench.stored == ["20260102-030405-net"]


def test_the_file_may_name_the_device(bench: Bench, shelf: Shelf, tmp_path: Path) -> None:
    bench.run(fast(), slow())
    with (tmp_path / "edgebench.toml").open("a") as file:
        file.write('[compare]\ndevice = "slow"\n')
    assert compare(bench, "latest", newer(bench)) == 0
    assert shelf.asked == ["slow"]
    assert main(["compare", "latest", "latest", "--quiet", "--out", str(bench.out)]) == 0


def test_a_run_of_this_machine_needs_no_names(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = FakeDevice(FAST, name="local")
    monkeypatch.setattr("edgebench.open_devices.LocalDevice", lambda: here)
    bench.run(here)
    assert compare(bench, "latest", newer(bench), "--format", "json") == 0
    assert "net/a@local/" in capsys.readouterr().out
