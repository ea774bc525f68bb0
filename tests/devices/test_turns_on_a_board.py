"""Old and new build take turns on a "board": this machine with another home, behind a real SSH server."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from edgebench.api import run_spec
from edgebench.cli import main
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.spec import PythonTarget, Spec
from edgebench.store import find_run, load
from fake_runs import MS
from harness import MODELS, SHORT, SHORT_FLAGS, model

from .native_sshd import NativeSshd


def known_as(name: str, server: NativeSshd, folder: Path) -> None:
    """Write an edgebench.toml that tells of the server under a name."""
    (folder / "edgebench.toml").write_text(
        f'[devices.{name}]\nssh = "{server.address}"\nidentity = "{server.key}"\nknown_hosts = "{server.known_hosts}"\n'
    )


def test_a_gate_is_judged_where_the_baseline_was_measured(
    start_sshd: Callable[..., NativeSshd],
    ssh_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = start_sshd()
    monkeypatch.chdir(tmp_path)
    known_as("pi", server, tmp_path)
    shutil.copy(model("float32"), "old.tflite")
    shutil.copy(MODELS / "gray.tflite", "new.tflite")
    then = Spec(("net/a=old.tflite",), pythons=(PythonTarget(sys.executable),), settings=SHORT)
    run_spec(then, out=Path("results"), device=FakeDevice({"old": FakeModel(MS)}, name="pi"))

    turns = ["compare", "latest", "net/a=new.tflite", "--interleave", "--format", "json", "--quiet"]
    assert main([*turns, *SHORT_FLAGS, "--gate", "size <= 0.05x", "--junit", "gates.xml"]) == 1

    printed = capsys.readouterr()
    (case,) = json.loads(printed.out)["comparisons"][0]["cases"]
    assert case["case_id"].startswith("net/a@pi/")
    p50 = next(change for change in case["changes"] if change["name"] == "p50")
    assert (p50["basis"], p50["value"] is not None) == ("measured in turns", True)
    assert 'name="size &lt;= 0.05x"' in Path("gates.xml").read_text()
    record = load(find_run("latest", Path("results"))).record
    assert [(item.name, item.address) for item in record.devices] == [("pi", server.address.removeprefix("ssh://"))]
    assert {(item.device, item.python_path) for item in record.cases} == {("pi", sys.executable)}

    Path("edgebench.toml").unlink()
    assert main([*turns, *SHORT_FLAGS]) == 2
    assert "was measured on pi, which is not known here; add [devices.pi]" in capsys.readouterr().err
