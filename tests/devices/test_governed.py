"""Governors of devices as they are: the kernel's files are a recorded tree, mounted where only the test sees it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machine_trees import put

from devices.support import wait_for

_UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
_MOUNT = 'mount --bind "$1" /sys/devices/system/cpu && shift && exec "$@"'

SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from devices.local_transport import LocalTransport
from edgebench.devices.local import LocalDevice
from edgebench.devices.remote import RemoteDevice

what, home, tree = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])

def governors():
    return [path.read_text().strip() for path in sorted(tree.glob("cpufreq/policy*/scaling_governor"))]

def say(*parts):
    print(json.dumps(parts), flush=True)

there = what.startswith("remote")
device = RemoteDevice("board", lambda: LocalTransport(home, {"TMPDIR": str(home)}, "true")) if there else LocalDevice()
say(device.recover(), governors())
if what.endswith("recover"):
    device.close()
    sys.exit()
with device.set_governor("performance") as change:
    say(change.previous, governors())
    device.reconnect()
    say(governors())
    if what.endswith("orphan"):  # nobody is left to put it back
        os.kill(device.keeper.ask("hello")["pid"], signal.SIGKILL)
    if not what.endswith("whole"):
        os.kill(os.getpid(), signal.SIGKILL)
device.close()
say(governors())
"""
BEFORE, SET = ["schedutil", "powersave"], ["performance", "performance"]


class Machine:
    """A machine with two clock policies, and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.tree = folder / "home", folder / "cpu"
        self.home.mkdir()
        for number, governor in enumerate(BEFORE):
            put(self.tree, f"cpufreq/policy{number}/scaling_governor", governor)
            put(self.tree, f"cpufreq/policy{number}/scaling_available_governors", "performance powersave schedutil")

    @property
    def governors(self) -> list[str]:
        return [(self.tree / f"cpufreq/policy{number}/scaling_governor").read_text().strip() for number in (0, 1)]

    def run(self, what: str) -> tuple[int, list[list[object]]]:
        """Run the script there; return how it ended and what it said."""
        tests = Path(__file__).resolve().parent.parent
        path = os.pathsep.join([str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [*_UNSHARE, "sh", "-c", _MOUNT, "sh", str(self.tree), sys.executable, "-c", SCRIPT]
        run = subprocess.run(
            [*command, what, str(self.home), str(self.tree)],
            env={**os.environ, "PYTHONPATH": path, "EDGEBENCH_CACHE": str(self.home / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode in (0, -9, 137), run.stderr
        return run.returncode, [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if not Path("/sys/devices/system/cpu").is_dir() or shutil.which("unshare") is None:
        pytest.skip("no unshare, or no folder of CPUs to mount over")
    made = Machine(tmp_path)
    probe = [*_UNSHARE, "sh", "-c", _MOUNT, "sh", str(made.tree), "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount anything, even in a namespace of its own")
    return made


@pytest.mark.parametrize("where", ["local", "remote"])
def test_a_device_gets_its_governors_back(machine: Machine, where: str) -> None:
    status, said = machine.run(f"{where}-whole")
    assert status == 0
    assert said == [[[], BEFORE], [{"policy0": "schedutil", "policy1": "powersave"}, SET], [SET], [BEFORE]]


@pytest.mark.parametrize("where", ["local", "remote"])
def test_a_device_gets_them_back_when_the_controller_is_killed(machine: Machine, where: str) -> None:
    status, said = machine.run(f"{where}-killed")
    assert status != 0
    assert said[-1] == [SET]
    assert wait_for(lambda: machine.governors == BEFORE)


def test_the_next_run_puts_back_what_a_killed_keeper_left(machine: Machine) -> None:
    machine.run("remote-orphan")
    assert machine.governors == SET
    _, said = machine.run("remote-recover")
    note = "an earlier run was killed and had left the governor performance: it was put back before this one"
    assert said == [[[note], BEFORE]]
