"""Which CPUs a worker runs on: names of kinds of cores, or numbers, and what the machine has of them.

Sources: sched_setaffinity(2); kernel documentation, scheduler/sched-capacity (``cpu_capacity``) and
admin-guide/pm/cpufreq (``cpuinfo_max_freq``).
"""

from __future__ import annotations

import os
from typing import Dict, Iterable, List, Set

from .refusal import Refusal
from .tree import Tree, Unreadable

BIG, LITTLE = "big", "little"
_CPUS = "/sys/devices/system/cpu"
#: Chosen: cores of one kind differ by a few percent where the maker lets the best of them clock higher; the smaller
#: kinds of boards, phones and PCs have at most some four fifths of the next one's capacity.
_KIND_RATIO = 1.15
#: No kernel has more CPUs (CONFIG_NR_CPUS); a longer range is a slip of the keyboard.
_MOST = 8192


def cpu_numbers(text: str) -> List[int]:
    """Return the numbers that ``0-3`` or ``0,2,4-5`` names, in order, each once. Raises ValueError."""
    numbers: Set[int] = set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not (low.isdecimal() and (high.isdecimal() or not dash)):
            raise ValueError(part)
        first, last = int(low), int(high or low)
        if not first <= last < _MOST:
            raise ValueError(part)
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def cpu_list(numbers: Iterable[int]) -> str:
    """Return numbers as the kernel lists them: ``0-3,8``."""
    parts: List[List[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else "%d-%d" % (part[0], part[-1]) for part in parts)


def capacities(tree: Tree) -> Dict[int, int]:
    """Return what each CPU can do, in the kernel's own scale or else its greatest clock, by its number.

    CPUs that tell nothing are left out: one that is switched off has no clock.
    """
    try:
        names = tree.names(_CPUS, r"cpu\d+")
    except Unreadable:
        return {}
    alike: Dict[int, int] = {}
    for file in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        found: Dict[int, int] = {}
        for name in names:
            try:
                found[int(name[3:])] = tree.number("%s/%s/%s" % (_CPUS, name, file), minimum=1)
            except Unreadable:
                continue
        if len(set(found.values())) > 1:
            return found
        alike = alike or found
    return alike


def choose(text: str, able: Dict[int, int], allowed: Iterable[int]) -> List[int]:
    """Return the numbers of the CPUs that ``big``, ``little`` or a list names, in order.

    ``able`` is what each CPU can do (:func:`capacities`), ``allowed`` the numbers that this process may use.

    Raises:
        Refusal: there are no such CPUs, or they may not be used.
    """
    may = sorted(set(allowed))
    if text not in (BIG, LITTLE):
        wanted = cpu_numbers(text)
        refused = [number for number in wanted if number not in may]
        if refused:
            raise _refusal(text, "may not use CPU %s, only %s" % (cpu_list(refused), cpu_list(may)))
        return wanted
    kind = _kind(text, able, len(may))
    chosen = [number for number in kind if number in may]
    if not chosen:
        raise _refusal(text, "the %s cores are %s, and it may use %s only" % (text, cpu_list(kind), cpu_list(may)))
    return chosen


def pin(text: str, root: str = "/") -> List[int]:
    """Let this process, all its threads and those to come run on these CPUs alone; return their numbers.

    Raises:
        Refusal: there are no such CPUs, they may not be used, or the system cannot be asked.
    """
    chosen = resolve(text, root)
    try:
        # A thread keeps what it began with: those of numpy are there already.
        for thread in [int(name) for name in os.listdir("/proc/self/task")]:
            try:
                os.sched_setaffinity(thread, chosen)
            except ProcessLookupError:
                continue
        return sorted(os.sched_getaffinity(0))
    except OSError as error:
        raise _refusal(text, "this cannot be set: %s" % (error.strerror or error)) from error


def resolve(text: str, root: str = "/") -> List[int]:
    """Return the numbers that ``text`` names on this machine. Raises Refusal as :func:`choose` does."""
    if not hasattr(os, "sched_getaffinity"):
        raise _refusal(text, "this system has no call that chooses CPUs")
    try:
        return choose(text, capacities(Tree(root)), os.sched_getaffinity(0))
    except ValueError:
        raise _refusal(text, "write big, little or numbers such as 0-3 or 0,2") from None


def _kind(text: str, able: Dict[int, int], count: int) -> List[int]:
    """Return the CPUs on one side of the greatest step between what the cores can do."""
    sizes = sorted(set(able.values()))
    steps = [(larger / smaller, larger) for smaller, larger in zip(sizes, sizes[1:])]
    ratio, first_big = max(steps, default=(1.0, 0))
    if not able:
        raise _refusal(text, "this machine does not tell which cores are big; name their numbers")
    if ratio < _KIND_RATIO:
        cores = "all %d cores are alike" % count if count > 1 else "there is one core"
        raise _refusal(text, "%s; leave it out, or name their numbers" % cores)
    return sorted(number for number, size in able.items() if (size >= first_big) == (text == BIG))


def _refusal(text: str, reason: str) -> Refusal:
    return Refusal("cpus", "--cpus %s: %s" % (text, reason))
