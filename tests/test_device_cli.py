"""edgebench device, on a device that is this machine with a home of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from devices.local_transport import LocalTransport, at_once
from edgebench import doctor
from edgebench.cli import main
from edgebench.devices import opening
from edgebench.devices.remote import RemoteDevice
from edgebench.errors import UsageError
from setup.made_packages import library_files, make_deb, python_files
from setup.made_wheels import BASE_PYTHON, make_wheel, runtime_wheels

Say = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a device called ``pi``; no other is known."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "home").mkdir()

    def open_device(text: str, config: object, *, locks: bool = True, **_: Any) -> RemoteDevice:
        def connect() -> LocalTransport:
            return LocalTransport(tmp_path / "home", {"TMPDIR": str(tmp_path / "temporary")})

        if text != "pi":
            raise UsageError(f"--device {text}: no such device")
        return RemoteDevice("pi", connect, reach=at_once, locks=locks)

    monkeypatch.setattr(opening, "open_device", open_device)
    monkeypatch.setattr(doctor, "NOISE_NS", 20_000_000)
    monkeypatch.setenv("EDGEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edgebench.toml").write_text('[devices.pi]\nssh = "pi@board"\n[devices.far]\nssh = "far"\n')
    return tmp_path / "home"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command that ends well, and return what it printed."""

    def run(*words: str, code: int = 0) -> str:
        assert main(["device", *words]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run


def test_a_device_s_life(home: Path, say: Say, tmp_path: Path) -> None:
    root = home / ".cache" / "edgebench"
    wheels = str(runtime_wheels(tmp_path / "wheels"))
    assert say("list") == "pi   pi@board\nfar  far\n"
    assert "environment  none; make it with: edgebench device setup pi\n" in say("check", "pi")
    lines = say("setup", "pi", "--wheels", wheels, "--python", BASE_PYTHON).splitlines()
    assert [line.split(":")[0].split()[0] for line in lines] == [
        "test@home", "ai-edge-litert", "wheels", "without", "without", "sent", "environment", "works", "measure",
    ]  # fmt: skip
    assert lines[-1] == "measure on it with: edgebench run MODEL --device pi"
    told = json.loads(say("setup", "pi", "--wheels", wheels, "--python", BASE_PYTHON, "--json"))
    assert (told["made"], told["sent_bytes"], told["root"]) == (False, 0, str(root))
    checked = json.loads(say("check", "pi", "--json"))
    assert checked["manifest"] == told["manifest"]
    assert checked["env_bytes"] > 0
    assert re.fullmatch(rf"pi: removed \d+ bytes of files in {root}\n", say("clean", "pi", "--files-only"))
    assert (root / "env" / "bin" / "python3").exists()
    assert re.fullmatch(rf"pi: removed [\d,]+ bytes in {root}\n", say("clean", "pi"))
    assert not root.exists()
    assert not list((tmp_path / "temporary").iterdir())


def test_the_official_tool_alone_and_with_an_environment(home: Path, say: Say, tmp_path: Path) -> None:
    root = home / ".cache" / "edgebench"
    lines = say("setup", "pi", "--benchmark-model", "/bin/true").splitlines()
    assert [line.split(":")[0] for line in lines] == ["benchmark_model", "sent", "run the tool with"]
    assert lines[-1] == "run the tool with: edgebench run MODEL --device pi --engine benchmark_model"
    assert not (root / "env").exists()
    told = json.loads(say("setup", "pi", "--benchmark-model", "/bin/true", "--json"))
    assert list(told) == ["benchmark_model"]
    assert told["benchmark_model"]["sent_bytes"] == 0
    text = say("check", "pi")
    assert f"benchmark_model  sha256:{told['benchmark_model']['origin']['sha256'][:12]}, " in text
    assert ", from /bin/true, fetched 20" in text
    wheels = str(runtime_wheels(tmp_path / "wheels"))
    both = say("setup", "pi", "--benchmark-model", "/bin/true", "--wheels", wheels, "--python", BASE_PYTHON)
    assert "\nthere already: " in both
    assert both.splitlines()[-2:] == ["measure on it with: edgebench run MODEL --device pi", lines[-1]]
    assert (root / "env" / "bin" / "python3").exists()
    assert "nothing: No such file or directory" in say("setup", "pi", "--benchmark-model", "nothing", code=2)
    assert json.loads(say("clean", "pi", "--json"))["left"] == []
    assert not root.exists()


def test_a_setup_that_is_stopped_says_what_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgebench.setup.steps.set_up", stopped)
    assert main(["device", "setup", "pi"]) == 130
    assert "interrupted, what has arrived there stays: the same command goes on with it" in capsys.readouterr().err


def test_a_list_that_asks(home: Path, say: Say) -> None:
    pi, far = json.loads(say("list", "--check", "--json"))
    assert pi["answer"]
    assert far["problem"] == "--device far: no such device"


def test_clean_is_refused_while_another_run_has_it(home: Path, say: Say, tmp_path: Path) -> None:
    other = opening.open_device("pi", None)
    try:
        other.environment()
        assert "test@home: it is in use by " in say("clean", "pi", code=3)
        assert "in use       " in say("check", "pi")
    finally:
        other.close()
    (home / ".cache" / "edgebench" / "notes").mkdir()
    assert say("clean", "pi").endswith("\npi: not of edgebench device, so left there: notes\n")
    assert json.loads(say("clean", "pi", "--json"))["left"] == ["notes"]


def test_what_cannot_be_set_up(home: Path, say: Say, tmp_path: Path) -> None:
    assert "local: this machine needs no setup; look at it with: edgebench doctor" in say("setup", "local", code=2)
    assert "no such device" in say("check", "nobody", code=2)
    assert "has no Python that runs" in say("setup", "pi", "--python", "/nowhere/python3", code=3)
    assert "--wheels nowhere: no such folder" in say(
        "setup", "pi", "--wheels", "nowhere", "--python", BASE_PYTHON, code=2
    )


def test_a_bundle_is_built_and_a_device_set_up_with_it(home: Path, say: Say, tmp_path: Path) -> None:
    assert "--arch armv7l: bundles can be made for aarch64 and x86_64" in say(
        "bundle", "build", "--arch", "armv7l", code=2
    )
    make_deb(tmp_path / "debs", "python3.11", {**python_files(), **library_files()})
    make_wheel(tmp_path / "parts", "ai-edge-litert", "2.3.0")
    make_wheel(tmp_path / "parts", "numpy", "2.4.6")
    parts = ("--packages", str(tmp_path / "debs"), "--wheels", str(tmp_path / "parts"))
    told = json.loads(say("bundle", "build", *parts, "--out", str(tmp_path / "own.tar.gz"), "--json"))
    assert told["path"] == str(tmp_path / "own.tar.gz")
    assert (told["python"], told["runtime"]["version"]) == ("3.11.2", "2.3.0")
    assert (tmp_path / "own.tar.gz").stat().st_size == told["size_bytes"]
    assert re.search(r"built before: .*\n.*edgebench-python-aarch64-.*gz, made in", say("bundle", "build", *parts))
    assert "cannot be written" in say("bundle", "build", *parts, "--out", str(tmp_path / "no" / "file"), code=2)
    text = say("setup", "pi", "--bundle", str(tmp_path / "debs"), code=2)
    assert "debs: cannot be read: Is a directory" in text
