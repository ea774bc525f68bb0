"""The machine's state as its kernel tells it: each value, or under ``unavailable`` why there is none.

Three parts by what they cost: :func:`snapshot` changes from burst to burst and only reads small files;
:func:`machine` does not change during a run; :func:`firmware` starts programs. The root path is for recorded trees.
"""

from __future__ import annotations

import os
import platform
import time
from functools import partial
from typing import Any, Callable, Dict, Optional, Union

from . import android, truth_clock, truth_limits, truth_load, truth_machine, vcgencmd
from .programs import Ask, ask_program
from .tree import Tree, collect

Readers = Dict[str, Callable[[Tree], Any]]
#: Where files are: a root path of this machine, or files that were fetched.
Where = Union[str, Tree]

_CHANGING: Readers = {
    "cpu_clocks": truth_clock.cpu_clocks,
    "temperatures": truth_clock.temperatures,
    "cooling": truth_clock.cooling,
    "thermal_throttling": truth_clock.thermal_throttling,
    "under_voltage": truth_clock.under_voltage,
    "power": truth_clock.power,
    "cpu_jiffies": truth_load.cpu_jiffies,
    "jiffies_per_second": truth_load.jiffies_per_second,
    "load_average": truth_load.load_average,
    "memory_available_bytes": truth_load.memory_available_bytes,
    "memory_total_bytes": truth_load.memory_total_bytes,
    "swap_used_bytes": truth_load.swap_used_bytes,
    "pages_swapped_in": truth_load.pages_swapped_in,
    "pages_swapped_out": truth_load.pages_swapped_out,
    "cgroup_throttled": truth_limits.throttled,
}
_LASTING: Readers = {
    "board_model": truth_machine.board_model,
    "soc": truth_machine.soc,
    "kernel_release": truth_machine.kernel_release,
    "kernel_arch": truth_machine.kernel_arch,
    "aslr": truth_machine.aslr,
    "boost": truth_clock.boost,
    "cpus_online": truth_limits.cpus_online,
    "cpus_allowed": truth_limits.cpus_allowed,
    "cpu_quota": truth_limits.cpu_quota,
    "memory_limit": truth_limits.memory_limit,
}
_CLAIMED: Readers = {"claimed_clock_hz": truth_clock.fastest_hz}


def snapshot(root: Where = "/", pid: Optional[int] = None) -> Dict[str, Any]:
    """Return what changes: clocks, temperatures, counters of lost time, memory; ``taken_ns`` is a monotonic clock.

    ``pid`` is the process whose threads and page faults are read, by default this one. Takes about a millisecond,
    more on machines with many CPUs; starts no program.
    """
    process = os.getpid() if pid is None else pid
    readers: Readers = dict(_CHANGING)
    readers["threads"] = partial(truth_load.threads, pid=process)
    readers["major_faults"] = partial(truth_load.major_faults, pid=process)
    taken_ns = time.monotonic_ns()
    return {"taken_ns": taken_ns, "pid": process, **collect(readers, _tree(root))}


def machine(root: Where = "/", uname_machine: Optional[str] = None, ask: Ask = ask_program) -> Dict[str, Any]:
    """Return what lasts: board, kernel, limits, and the signs of a virtual machine or an emulator.

    Android is asked what the phone is, and has the field ``android``: what its system is called.
    """
    named, tree = uname_machine or platform.machine(), _tree(root)
    readers: Readers = dict(_LASTING)
    readers["virtual"] = lambda tree: truth_machine.described(truth_machine.virtual_signs(tree))
    readers["emulated"] = lambda tree: truth_machine.described(truth_machine.emulation_signs(tree, named))
    if android.is_android(tree):
        readers.update(_phone_readers(ask))
    return {"uname_machine": named, **collect(readers, tree)}


def firmware(root: Where = "/", ask: Ask = ask_program) -> Dict[str, Any]:
    """Return what only a program can tell. May take seconds.

    Of a Raspberry Pi (``vcgencmd``) that is throttle bits and the measured clock. ``claimed_clock_hz`` goes with that:
    what the kernel said of its fastest CPU before and after it was measured, the lower of both, since the clock may
    have changed meanwhile. Of Android it is heat, battery and screen, some of it in fields of :func:`snapshot`, too.
    """
    tree = _tree(root)
    if android.is_android(tree):
        return collect(_android_readers(ask), tree)
    before = collect(_CLAIMED, _tree(root))
    readers: Readers = {
        "firmware_throttling": lambda _tree: vcgencmd.firmware_throttling(ask),
        "measured_clock_hz": lambda _tree: vcgencmd.measured_clock_hz(ask),
    }
    found = collect(readers, tree)
    after = collect(_CLAIMED, _tree(root))  # a tree reads each file once
    if "measured_clock_hz" in found:
        name = "claimed_clock_hz"
        if name in before and name in after:
            found[name] = min(before[name], after[name])
        else:
            found["unavailable"].update(before["unavailable"], **after["unavailable"])
    return found


def _tree(root: Where) -> Tree:
    return root if isinstance(root, Tree) else Tree(root)


def _phone_readers(ask: Ask) -> Readers:
    """Return readers of what a phone is. Its properties are asked for once; where they are not told, all say why."""
    told: Dict[str, str] = {}

    def known() -> Dict[str, str]:
        if not told:
            told.update(android.properties(ask))
        return told

    def virtual(tree: Tree) -> Dict[str, Any]:
        return truth_machine.described([*android.virtual_signs(known()), *truth_machine.virtual_signs(tree)])

    return {
        "board_model": lambda _tree: android.model(known()),
        "soc": lambda _tree: android.chip(known()),
        "android": lambda _tree: android.system(known()),
        "virtual": virtual,
    }


def _android_readers(ask: Ask) -> Readers:
    thermal, power = android.Thermal(ask), android.Power(ask)
    return {
        "thermal_status": lambda _tree: thermal.status(),
        "temperatures": lambda _tree: thermal.temperatures(),
        "cooling": lambda _tree: thermal.cooling(),
        "power": lambda _tree: android.battery(ask),
        "screen": lambda _tree: power.screen(),
        "power_saver": lambda _tree: power.saver(),
    }
