"""A device's state, asked through a shell there: what a helper program would read, by the same readers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..records import Environment
from ..worker import affinity, truth, truth_limits, truth_load
from ..worker.programs import NotInstalled
from ..worker.system import cpu_model, system_name
from ..worker.tree import Unreadable, shown
from .copied_tree import SCRIPT, CopiedTree, copied_tree
from .remote_start import MARK, after_mark
from .transport import Transport

Facts = Mapping[str, Any]

_STEP_S = 60.0
_PROGRAM_S = 30.0
_NOT_FOUND = 127
_NAMES = f"echo; echo {MARK}; uname -n; uname -r; uname -m; uname -s"
_UNTOLD = "the device does not tell"
_OF_ANOTHER = "what tells it there is another process than the one that is measured"
#: Of a process, or of groups that a shell's own differ from.
_OF_A_PROCESS = ("threads", "major_faults", "cgroup_throttled")


def without_process(snapshot: Facts) -> Facts:
    """Return a snapshot without what it tells of the process that took it, which is not the one that is measured."""
    kept = {name: value for name, value in snapshot.items() if name not in (*_OF_A_PROCESS, "pid")}
    return {**kept, "unavailable": {**snapshot["unavailable"], **dict.fromkeys(_OF_A_PROCESS, _OF_ANOTHER)}}


class ShellTruth:
    """Asks one device. Methods raise DeviceLost, DeviceRefused."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._names: tuple[str, str, str, str] | None = None
        self._environment: Environment | None = None
        self._machine: Facts | None = None
        self._last: CopiedTree | None = None

    def state(self) -> Facts:
        """Return what :func:`edgebench.worker.truth.snapshot` does, by this machine's clock."""
        taken_ns = time.monotonic_ns()
        return {**without_process(truth.snapshot(self._copied())), "taken_ns": taken_ns}

    def machine(self) -> Facts:
        """Return what :func:`edgebench.worker.truth.machine` does. It does not change, so it is asked once."""
        if self._machine is None:
            _, release, machine, _ = self._uname()
            self._machine = {**truth.machine(self._tree(), machine, self._ask), "kernel_release": release}
        return self._machine

    def firmware(self) -> Facts:
        """Return what :func:`edgebench.worker.truth.firmware` does."""
        return truth.firmware(self._tree(), self._ask)

    def environment(self) -> Environment:
        """Return what the device is. It does not change, so it is asked once."""
        if self._environment is None:
            self._environment = self._described()
        return self._environment

    def allowed_cpus(self) -> list[int]:
        """Return the numbers of the CPUs that programs there may use, none where it does not tell."""
        try:
            return truth_limits.cpus_allowed(self._tree())
        except Unreadable:
            return []

    def able_cpus(self) -> dict[int, int]:
        """Return what each CPU there can do, as :func:`edgebench.worker.affinity.capacities` has it."""
        return affinity.capacities(self._tree())

    def _described(self) -> Environment:
        tree = self._tree()
        name, release, machine, kernel = self._uname()
        try:
            memory: int | None = truth_load.memory_total_bytes(tree)
        except Unreadable:
            memory = None
        cpus = tree.text("/proc/cpuinfo").count("processor\t") if tree.has("/proc/cpuinfo") else 0
        values: dict[str, Any] = {
            "cpu_model": cpu_model(tree) or self.machine().get("soc"),
            "cpus_logical": cpus or None,
            "cpus_allowed": len(self.allowed_cpus()) or None,
            "memory_total_bytes": memory,
        }
        return Environment(
            hostname=name or self.transport.address,
            system=system_name(tree, self._ask) or kernel or "unknown",
            kernel=f"{kernel} {release}".strip() or "unknown",
            machine=machine or "unknown",
            python="none",
            edgebench=__version__,
            unavailable={field: _UNTOLD for field, value in values.items() if value is None},
            **values,
        )

    def _uname(self) -> tuple[str, str, str, str]:
        if self._names is None:
            told = after_mark(self.transport.run(["sh", "-c", _NAMES], timeout_s=_STEP_S).stdout)
            node, release, machine, kernel = [*told, "", "", "", ""][:4]
            self._names = (node, release, machine, kernel)
        return self._names

    def _tree(self) -> CopiedTree:
        """Return the files as they were last fetched, for what does not change."""
        return self._last or self._copied()

    def _copied(self) -> CopiedTree:
        done = self.transport.run(["sh", "-c", SCRIPT], timeout_s=_STEP_S)
        self._last = copied_tree(after_mark(done.stdout))
        return self._last

    def _ask(self, *words: str) -> str:
        """Return what a program there says, as :func:`edgebench.worker.programs.ask_program` does here."""
        done = self.transport.run(list(words), timeout_s=_PROGRAM_S)
        if done.status == _NOT_FOUND:
            raise NotInstalled(f"{words[0]} is not installed")
        text = done.stdout.decode("utf-8", "replace").strip()
        if done.status != 0:
            raise Unreadable(f"{' '.join(words)}: ended with {done.status}: {shown(done.last_words or text)}")
        return text
