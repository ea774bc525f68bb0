"""Setting a device up from nothing, with a real shell, a real keeper and a real runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgebench.devices.remote import RemoteSettings
from edgebench.errors import DeviceRefused
from edgebench.setup import steps
from edgebench.setup.listener import Listener
from edgebench.setup.steps import Asked, litert_here, set_up

from .made_wheels import BASE_PYTHON, make_wheel, pip_of, runtime_wheels
from .there import OpenThere


class Heard(Listener):
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.lines: list[str] = []

    def begins(self, what: str) -> None:
        self.begun.append(what)

    def said(self, line: str) -> None:
        self.lines.append(line)


def test_from_nothing_to_a_first_inference_and_then_nothing_to_do(open_there: OpenThere, tmp_path: Path) -> None:
    asked = Asked(runtime_wheels(tmp_path / "wheels"), BASE_PYTHON)
    heard, device = Heard(), open_there()
    done = set_up(device, asked, heard, cache=tmp_path / "cache", pip=pip_of(tmp_path / "wheels"))
    assert done.made
    assert done.sent_bytes > 0
    assert (done.trial.package, done.trial.version) == ("ai-edge-litert", litert_here())
    assert done.trial.numpy == np.__version__
    assert done.trial.inference_ns > 0
    assert done.root == str(tmp_path / "home" / ".cache" / "edgebench")
    env = Path(done.root, "env")
    assert {path.name for path in env.iterdir()} == {"bin", "edgebench.json", "lib", "pyvenv.cfg"}
    assert done.manifest["python"]["path"] == BASE_PYTHON
    assert [wheel["name"] for wheel in done.manifest["wheels"]] == ["ai-edge-litert", "numpy"]
    assert set(done.manifest["left_out"]) == {"psutil", "Pillow"}
    assert heard.lines[0].startswith("test@home: ")
    assert "the same version as on this machine" in heard.lines[1]
    assert heard.lines[-1].startswith("works: Python ")
    assert heard.begun[0] == "looking at the device"
    device.close()

    later, again = Heard(), open_there()
    second = set_up(again, asked, later, cache=tmp_path / "cache", pip=pip_of(tmp_path / "wheels"))
    assert not second.made
    assert second.manifest == done.manifest
    assert second.sent_bytes == 0
    assert f"already set up on {done.manifest['made_utc']}, nothing to send" in later.lines
    make_wheel(tmp_path / "wheels", "psutil", "7.2.2")
    third = set_up(
        again, asked, cache=tmp_path / "cache", pip=pip_of(tmp_path / "wheels")
    )  # other wheels, another environment
    assert third.made
    assert set(third.manifest["left_out"]) == {"Pillow"}
    assert set_up(
        again, Asked(asked.wheels, asked.python, force=True), cache=tmp_path / "cache", pip=pip_of(tmp_path / "wheels")
    ).made


def test_a_runtime_that_does_not_load_is_told_in_its_words(open_there: OpenThere, tmp_path: Path) -> None:
    runtime_wheels(tmp_path / "wheels")
    broken = {"ai_edge_litert/__init__.py": b"", "ai_edge_litert/interpreter.py": b"raise OSError('wrong ELF class')"}
    make_wheel(tmp_path / "wheels", "ai-edge-litert", litert_here() or "0", broken)
    with pytest.raises(DeviceRefused, match=r"not run in its environment: .*litert does not import: wrong ELF"):
        set_up(
            open_there(),
            Asked(tmp_path / "wheels", BASE_PYTHON),
            cache=tmp_path / "cache",
            pip=pip_of(tmp_path / "wheels"),
        )


def test_too_little_room_is_told_before_anything_is_sent(
    open_there: OpenThere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_MARGIN", 1e12)
    device = open_there(RemoteSettings(folder="elsewhere"))
    with pytest.raises(DeviceRefused, match=r"home/elsewhere needs \d+ MB and has \d+ MB free; make room there"):
        set_up(
            device,
            Asked(runtime_wheels(tmp_path / "wheels"), BASE_PYTHON),
            cache=tmp_path / "cache",
            pip=pip_of(tmp_path / "wheels"),
        )
    assert not list((tmp_path / "home" / "elsewhere" / "files").iterdir())


def test_no_such_python_there(open_there: OpenThere) -> None:
    with pytest.raises(DeviceRefused, match="test@home: has no Python that runs; install one there"):
        set_up(open_there(), Asked(python="/nowhere/python3"))
