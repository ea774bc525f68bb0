"""What the machine is: board, kernel, and whether it is virtual or emulated.

An emulator is told by what it shows without being asked: the kernel's own architecture against ``uname``
(``/proc/sys/kernel/arch``, Linux 6.1 and newer), names that QEMU gives its devices, and the host's processor leaking
through ``/proc/cpuinfo``. A virtual machine with hardware support runs at full speed and is no emulator.
"""

from __future__ import annotations

import os
import platform
from typing import Any, Dict, List

from .tree import Tree, Unreadable

_DEVICE_TREE = "/proc/device-tree/"
_DMI = "/sys/class/dmi/id/"
#: Files that carry a name QEMU gave, beside those in numbered folders.
_NAMED = (_DMI + "sys_vendor", _DMI + "product_name", _DMI + "board_vendor")
_NUMBERED = (
    ("/sys/block", r"mmcblk\d+|sd[a-z]+|vd[a-z]+", ("device/name", "device/vendor", "device/model")),
    ("/sys/bus/usb/devices", r"[\d.-]+", ("manufacturer",)),
    ("/sys/bus/mmc/devices", r"mmc.+", ("name",)),
)
#: The model in the device tree of QEMU's machine ``virt``.
_QEMU_BOARD = "linux,dummy-virt"
_FAMILIES = (("x86", ("x86", "amd64", "i386", "i486", "i586", "i686")), ("arm", ("arm", "aarch64")))


def board_model(tree: Tree) -> str:
    """Return the board's name from the device tree, or the product's from the firmware tables."""
    try:
        return _told(tree, _DEVICE_TREE + "model")
    except Unreadable as error:
        try:
            return "%s %s" % (_told(tree, _DMI + "sys_vendor"), _told(tree, _DMI + "product_name"))
        except Unreadable:
            raise Unreadable("neither firmware tables nor %s" % error) from None


def soc(tree: Tree) -> str:
    """Return the system on chip, such as ``brcm,bcm2711``: the most general name the device tree's root fits."""
    try:
        return _told(tree, _DEVICE_TREE + "compatible").split("\0")[-1]
    except Unreadable as error:
        try:
            return "%s %s" % (_told(tree, "/sys/devices/soc0/family"), _told(tree, "/sys/devices/soc0/soc_id"))
        except Unreadable:
            raise Unreadable("not a system on chip that names itself: %s" % error) from None


def kernel_release(_tree: Tree) -> str:
    """Return what ``uname -r`` says."""
    return platform.release() or "unknown"


def kernel_arch(tree: Tree) -> str:
    """Return the architecture that the running kernel was built for; an emulator of programs cannot change it."""
    return _told(tree, "/proc/sys/kernel/arch")


def aslr(tree: Tree) -> int:
    """Return 0 where every process gets the same memory layout, 1 or 2 where it is drawn anew (proc_sys_kernel(5))."""
    return tree.number("/proc/sys/kernel/randomize_va_space")


def virtual_signs(tree: Tree) -> List[str]:
    """Return what shows that this is a virtual machine; empty on bare hardware."""
    flags = _cpuinfo_words(tree, "flags")
    signs = ["the processor's flag 'hypervisor'"] if "hypervisor" in flags else []
    for path in ("/sys/hypervisor/type", _DEVICE_TREE + "hypervisor/compatible"):
        try:
            signs.append("%s: %s" % (path, tree.text(path).replace("\0", " ")))
        except Unreadable:
            continue
    return signs + _qemu_names(tree)


def emulation_signs(tree: Tree, machine: str) -> List[str]:
    """Return what shows that the processor is emulated; empty where nothing does. ``machine`` is ``uname -m``."""
    signs: List[str] = []
    arch = _quietly(tree, "/proc/sys/kernel/arch")
    if arch and _family(arch) != _family(machine):
        signs.append("the kernel is %s (/proc/sys/kernel/arch), programs see %s (uname -m)" % (arch, machine))
    if _family(machine) == "arm" and _cpuinfo_words(tree, "vendor_id"):
        signs.append("/proc/cpuinfo shows an x86 processor, programs see %s" % machine)
    caller = os.path.basename(_quietly(tree, "/proc/%d/cmdline" % os.getppid()).split("\0")[0])
    if caller.startswith("qemu-"):
        signs.append("the parent process is %s" % caller)
    return signs if _hardware_virtual(tree) else signs + _qemu_names(tree)


def _hardware_virtual(tree: Tree) -> bool:
    """Tell KVM, which runs QEMU's machines on the real processor, by the clocks that only it offers."""
    clocks = _quietly(tree, "/sys/devices/system/clocksource/clocksource0/available_clocksource")
    return "kvm-clock" in clocks or "KVM" in _quietly(tree, "/sys/class/ptp/ptp0/clock_name")


def _qemu_names(tree: Tree) -> List[str]:
    paths = list(_NAMED)
    for folder, pattern, files in _NUMBERED:
        try:
            names = tree.names(folder, pattern)
        except Unreadable:
            continue
        paths.extend("%s/%s/%s" % (folder, name, file) for name in names for file in files)
    signs = ["%s: %s" % (path, text) for path, text in ((path, _quietly(tree, path)) for path in paths) if _qemu(text)]
    if _quietly(tree, _DEVICE_TREE + "model") == _QEMU_BOARD:
        signs.insert(0, "%smodel: %s" % (_DEVICE_TREE, _QEMU_BOARD))
    return signs


def _qemu(text: str) -> bool:
    return "QEMU" in text.upper()


def _family(machine: str) -> str:
    for family, starts in _FAMILIES:
        if machine.lower().startswith(starts):
            return family
    return machine.lower()


def _cpuinfo_words(tree: Tree, key: str) -> List[str]:
    for line in _quietly(tree, "/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.split()
    return []


def _told(tree: Tree, path: str) -> str:
    text = tree.text(path)
    if not text:
        raise Unreadable("%s: is empty" % path)
    return text


def _quietly(tree: Tree, path: str) -> str:
    try:
        return tree.text(path)
    except Unreadable:
        return ""


def described(signs: List[str]) -> Dict[str, Any]:
    """Return the JSON form of signs: whether there are any, and which."""
    return {"found": bool(signs), "signs": signs}
