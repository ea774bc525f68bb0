"""The example of a GitHub workflow: it is YAML, asks for little, and its commands are written rightly."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from edgebench.cli import _parser
from edgebench.gates import parse_gates

WORKFLOW = Path(__file__).resolve().parent.parent / "docs" / "workflow-example.yml"


@pytest.fixture
def steps() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert found["permissions"] == {"contents": "read"}
    listed: list[dict[str, Any]] = found["jobs"]["gates"]["steps"]
    return listed


def test_actions_are_pinned_and_commands_are_shell(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w/-]+@v\d+", step["uses"])
        else:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


def test_commands_of_edgebench_have_flags_that_exist(steps: list[dict[str, Any]]) -> None:
    commands = [
        shlex.split(step["run"].replace("\\\n", " ")) for step in steps if step.get("run", "").startswith("edgebench ")
    ]
    assert [command[1] for command in commands] == ["run", "compare"]
    for command in commands:
        options = _parser(command[1:]).parse_args(command[1:])
        assert len(parse_gates(options.gate or ())) == len(options.gate or ())
