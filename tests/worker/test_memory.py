from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest
from edgebench.worker.memory import memory_snapshot

STATUS = "Name:\tpython\nVmPeak:\t  999999 kB\nVmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\nVmSwap:\t       5 kB\n"
ROLLUP = """55d0-7ffd ---p 00000000 00:00 0    [rollup]
Rss:               10000 kB
Pss:                6000 kB
Pss_Anon:           4000 kB
Shared_Clean:       5000 kB
Private_Clean:      1000 kB
Private_Dirty:      3000 kB
Anonymous:          2500 kB
AnonHugePages:         0 kB
"""
PRIVATE = {"pss_bytes": 6_144_000, "uss_bytes": 4_096_000, "anonymous_bytes": 2_560_000}
HAS_ROLLUP = Path("/proc/self/smaps_rollup").exists()

LARGE_PARENT = """
import json, subprocess, sys
ballast = bytearray(300_000_000)
ballast[::4096] = b"x" * len(ballast[::4096])
from edgebench.devices.local import LocalDevice
with LocalDevice().start_worker(sys.executable) as link:
    peak = link.request("memory", 60)["peak_rss_bytes"]
inherited = subprocess.check_output([sys.executable, "-S", "-c",
    "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"])
print(json.dumps([peak, int(inherited)]))
"""


@pytest.fixture
def status(tmp_path: Path) -> Path:
    path = tmp_path / "status"
    path.write_text(STATUS)
    return path


@pytest.fixture
def rollup(tmp_path: Path) -> Path:
    path = tmp_path / "smaps_rollup"
    path.write_text(ROLLUP)
    return path


def test_reads_the_kernels_counters_as_bytes(status: Path, rollup: Path) -> None:
    assert memory_snapshot(str(status), str(rollup)) == {
        "peak_rss_bytes": 20_480_000,
        "rss_bytes": 10_240_000,
        "swap_bytes": 5120,
        **PRIVATE,
    }


def test_a_zero_is_a_figure_not_a_gap(status: Path, rollup: Path) -> None:
    status.write_text(STATUS.replace("       5 kB", "       0 kB"))
    rollup.write_text(ROLLUP.replace("2500 kB", "0 kB"))
    snapshot = memory_snapshot(str(status), str(rollup))
    assert (snapshot["swap_bytes"], snapshot["anonymous_bytes"]) == (0, 0)


def test_a_missing_counter_is_absent_with_a_reason(status: Path, rollup: Path) -> None:
    status.write_text("VmRSS:\t   10000 kB\n")
    reason = f"not in {status}"
    assert memory_snapshot(str(status), str(rollup)) == {
        "rss_bytes": 10_240_000,
        **PRIVATE,
        "unavailable": {"peak_rss_bytes": reason, "swap_bytes": reason},
    }


def test_private_memory_of_which_half_is_missing_is_no_figure(status: Path, rollup: Path) -> None:
    rollup.write_text(ROLLUP.replace("Private_Dirty", "Private_Other"))
    snapshot = memory_snapshot(str(status), str(rollup))
    assert "uss_bytes" not in snapshot
    assert snapshot["unavailable"] == {"uss_bytes": f"not in {rollup}"}


def test_a_kernel_without_the_rollup_says_so_and_tells_the_rest(status: Path, tmp_path: Path) -> None:
    snapshot = memory_snapshot(str(status), str(tmp_path / "absent"))
    assert snapshot["peak_rss_bytes"] == 20_480_000
    assert snapshot["unavailable"] == dict.fromkeys(
        PRIVATE, f"cannot read {tmp_path / 'absent'}: No such file or directory"
    )


def test_a_system_without_the_file_says_so_and_asks_psutil(tmp_path: Path, rollup: Path) -> None:
    snapshot = memory_snapshot(str(tmp_path / "absent"), str(rollup))
    assert snapshot["rss_bytes"] > 1_000_000
    assert set(snapshot["unavailable"]) == {"peak_rss_bytes", "swap_bytes"}
    assert snapshot["unavailable"]["peak_rss_bytes"].endswith("absent: No such file or directory")


def test_without_psutil_even_the_resident_size_is_absent(
    tmp_path: Path, rollup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    snapshot = memory_snapshot(str(tmp_path / "absent"), str(rollup))
    assert set(snapshot) == {*PRIVATE, "unavailable"}
    assert set(snapshot["unavailable"]) == {"rss_bytes", "peak_rss_bytes", "swap_bytes"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's counters are Linux's")
def test_this_process_has_all_counters() -> None:
    snapshot = memory_snapshot()
    assert set(snapshot.get("unavailable", ())) <= (set() if HAS_ROLLUP else set(PRIVATE))
    assert 0 < snapshot["rss_bytes"] <= snapshot["peak_rss_bytes"] * 1.05


@pytest.mark.skipif(not HAS_ROLLUP, reason="this kernel has no smaps_rollup")
def test_private_memory_grows_by_what_this_process_writes() -> None:
    before = memory_snapshot()
    # Pages from the kernel: the allocator may still hold as many that an earlier test has touched.
    with mmap.mmap(-1, 50_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as ballast:
        ballast.write(b"x" * 50_000_000)
        after = memory_snapshot()
    for name in PRIVATE:
        assert after[name] - before[name] > 40_000_000
    assert after["uss_bytes"] <= after["rss_bytes"] * 1.05


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's counters are Linux's")
def test_the_peak_is_not_inherited_from_a_large_controller(tmp_path: Path) -> None:
    """``ru_maxrss`` would be: the second figure is the reason for reading VmHWM."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)}
    output = subprocess.check_output([sys.executable, "-c", LARGE_PARENT], env=environment, timeout=120)
    peak, inherited = json.loads(output)
    assert inherited > 290_000_000
    assert 5_000_000 < peak < 150_000_000
