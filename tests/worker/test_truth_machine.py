from __future__ import annotations

import os
from pathlib import Path

from edgebench.worker import truth_machine
from edgebench.worker.tree import Tree
from machine_trees import lay_out, put


def _signs(root: Path, machine: str) -> list[str]:
    return truth_machine.emulation_signs(Tree(str(root)), machine)


def test_user_mode_emulation_shows_in_the_kernels_architecture(tmp_path: Path) -> None:
    put(tmp_path, "/proc/sys/kernel/arch", "x86_64")
    assert "the kernel is x86_64" in _signs(tmp_path, "aarch64")[0]
    assert "the kernel is x86_64" in _signs(tmp_path, "riscv64")[0]


def test_programs_of_fewer_bits_are_not_emulated(tmp_path: Path) -> None:
    put(tmp_path, "/proc/sys/kernel/arch", "x86_64")
    assert _signs(tmp_path, "i686") == []
    put(tmp_path, "/proc/sys/kernel/arch", "aarch64")
    assert _signs(tmp_path, "armv8l") == []


def test_older_emulators_let_the_hosts_processor_through(tmp_path: Path) -> None:
    put(tmp_path, "/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu")
    assert "x86 processor" in _signs(tmp_path, "aarch64")[0]


def test_the_emulator_in_front_of_the_parents_command_line(tmp_path: Path) -> None:
    put(tmp_path, f"/proc/{os.getppid()}/cmdline", "/usr/bin/qemu-aarch64-static\0/usr/bin/python3\0")
    assert _signs(tmp_path, "aarch64") == ["the parent process is qemu-aarch64-static"]


def test_qemus_board(tmp_path: Path) -> None:
    put(tmp_path, "/proc/device-tree/model", "linux,dummy-virt\0")
    put(tmp_path, "/proc/sys/kernel/arch", "aarch64")
    assert _signs(tmp_path, "aarch64") == ["/proc/device-tree/model: linux,dummy-virt"]


def test_qemus_raspberry_pi_is_told_by_its_card_and_usb_devices(tmp_path: Path) -> None:
    root = lay_out("raspberry-pi-4", tmp_path)
    assert _signs(root, "aarch64") == []
    put(root, "/sys/block/mmcblk0/device/name", "QEMU!")
    put(root, "/sys/bus/usb/devices/1-1/manufacturer", "QEMU")
    signs = _signs(root, "aarch64")
    assert signs == ["/sys/block/mmcblk0/device/name: QEMU!", "/sys/bus/usb/devices/1-1/manufacturer: QEMU"]


def test_a_virtual_machine_with_hardware_support_is_not_emulated(tmp_path: Path) -> None:
    root = lay_out("laptop", tmp_path)
    put(root, "/sys/class/dmi/id/sys_vendor", "QEMU")
    put(root, "/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor avx2")
    assert _signs(root, "x86_64") == ["/sys/class/dmi/id/sys_vendor: QEMU"]
    put(root, "/sys/devices/system/clocksource/clocksource0/available_clocksource", "kvm-clock tsc acpi_pm")
    assert _signs(root, "x86_64") == []
    virtual = truth_machine.virtual_signs(Tree(str(root)))
    assert virtual == ["the processor's flag 'hypervisor'", "/sys/class/dmi/id/sys_vendor: QEMU"]


def test_programs_for_another_processor_are_emulated_even_in_such_a_machine(tmp_path: Path) -> None:
    put(tmp_path, "/sys/devices/system/clocksource/clocksource0/available_clocksource", "kvm-clock")
    put(tmp_path, "/proc/sys/kernel/arch", "x86_64")
    assert len(_signs(tmp_path, "aarch64")) == 1


def test_xen_names_itself(tmp_path: Path) -> None:
    put(tmp_path, "/sys/hypervisor/type", "xen")
    assert truth_machine.virtual_signs(Tree(str(tmp_path))) == ["/sys/hypervisor/type: xen"]


def test_a_system_on_chip_without_a_device_tree_may_name_itself(tmp_path: Path) -> None:
    put(tmp_path, "/sys/devices/soc0/family", "i.MX")
    put(tmp_path, "/sys/devices/soc0/soc_id", "i.MX8MQ")
    assert truth_machine.soc(Tree(str(tmp_path))) == "i.MX i.MX8MQ"
