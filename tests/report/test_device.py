"""Devices as text: a list, and what a check found."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from edgebench.doctor import Advice
from edgebench.findings import Code, Finding, Severity
from edgebench.records import Environment
from edgebench.report.device import render_check, render_devices
from edgebench.setup.benchmark_model import Origin
from edgebench.setup.checking import Check, Listed

SYSTEM = Environment(
    hostname="pi",
    system="Debian GNU/Linux 12",
    kernel="Linux 6.12",
    machine="aarch64",
    cpu_model=None,
    cpus_logical=4,
    cpus_allowed=4,
    memory_total_bytes=3_980_000_000,
    python="3.11.2",
    edgebench="0.1.0",
    unavailable={"cpu_model": "the device does not tell"},
)
MANIFEST = {
    "format": 1,
    "runtime": {"package": "ai-edge-litert", "version": "2.3.0"},
    "python": {"version": "3.11.2"},
    "made_utc": "2026-11-22 08:00 UTC",
    "edgebench": "0.1.0",
}
FOUND = Check(
    schema_version=1,
    device="pi",
    address="pi@raspberrypi.local:22",
    system=SYSTEM,
    root="/home/pi/.cache/edgebench",
    used_bytes=205_000_000,
    free_bytes=12_300_000_000,
    env_bytes=120_000_000,
    manifest=MANIFEST,
    problem=None,
    holder=None,
    clock_s=0.2,
    advice=(),
    unchecked={"throttled": "vcgencmd is not installed"},
    machine={"board_model": "Raspberry Pi 4 Model B", "soc": "Raspberry Pi 4 Model B", "unavailable": {}},
    snapshot={},
    firmware={},
    noise={},
)
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=timezone.utc)


def test_a_device_that_is_ready() -> None:
    assert render_check(FOUND, now=NOW) == (
        "device       pi (pi@raspberrypi.local:22)\n"
        "machine      Raspberry Pi 4 Model B, Debian GNU/Linux 12, aarch64, 4 CPUs, 3980 MB of memory\n"
        "folder       /home/pi/.cache/edgebench: 205 MB, 12.3 GB free\n"
        "environment  ai-edge-litert 2.3.0, Python 3.11.2, 120 MB, made 2026-11-22 08:00 UTC (3 days ago) "
        "by edgebench 0.1.0\n"
        "in use       no\n"
        "\nNothing was found that would disturb a measurement here.\n"
        "\nCannot be checked here\n  throttled: vcgencmd is not installed\n"
    )


def test_what_is_missing_or_broken_says_what_to_do() -> None:
    none = render_check(replace(FOUND, manifest=None, free_bytes=25_000_000), now=NOW)
    assert "MB, 25 MB free\n" in none
    assert "environment  none; make it with: edgebench device setup pi\n" in none
    broken = render_check(replace(FOUND, problem="its Python, /usr/bin/python3.9, is not there any more"), now=NOW)
    assert "is not there any more; make it anew with: edgebench device setup pi\n" in broken


def test_who_has_it_and_a_wrong_clock() -> None:
    holder = {"who": "ann@desk", "what": "edgebench run, process 7", "since_utc": "2026-11-25 08:59 UTC"}
    text = render_check(replace(FOUND, holder=holder, clock_s=-7300.0), now=NOW)
    assert "in use       ann@desk (edgebench run, process 7) since 2026-11-25 08:59 UTC\n" in text
    assert "clock        2 hours behind\n" in text
    assert "clock        1 minute ahead\n" in render_check(replace(FOUND, clock_s=61.0), now=NOW)
    assert "in use       yes, by somebody who left no name\n" in render_check(replace(FOUND, holder={}), now=NOW)


def test_the_official_tool_and_where_it_is_from() -> None:
    origin = Origin("0123456789abcdef" * 4, 6_100_000, "https://host/tool", "2026-11-24 08:00 UTC")
    text = render_check(replace(FOUND, tool=origin), now=NOW)
    assert "environment      ai-edge-litert" in text
    shown = "sha256:0123456789ab, 6.10 MB, from https://host/tool, fetched 2026-11-24 08:00 UTC (1 day ago)"
    assert f"\nbenchmark_model  {shown}\n" in text


def test_advice_and_hostile_names() -> None:
    finding = Finding(Code.GOVERNOR, Severity.SUSPECT, "the clock follows the load", "set the governor")
    text = render_check(replace(FOUND, advice=(Advice(finding),), device="pi\n\x1b[2Jx"), now=NOW)
    assert "Would disturb a measurement here: 1 thing\n  SUSPECT governor: the clock follows the load" in text
    assert "\x1b" not in text
    worse = Advice(replace(finding, severity=Severity.INVALID))
    assert " here: 1 thing, enough to make it worthless\n" in render_check(replace(FOUND, advice=(worse,)), now=NOW)


def test_a_list_of_devices() -> None:
    listed = [
        Listed("pi", "pi@raspberrypi.local", answer="Debian GNU/Linux 12, aarch64, in 0.8 s"),
        Listed("jetson", "jetson", problem="jetson: no answer within 20 s"),
        Listed("third", "me@third"),
    ]
    assert render_devices(listed) == (
        "pi      pi@raspberrypi.local  answers: Debian GNU/Linux 12, aarch64, in 0.8 s\n"
        "jetson  jetson                does not: jetson: no answer within 20 s\n"
        "third   me@third\n"
    )
    assert "names no device; add one:\n\n  [devices.pi]\n" in render_devices([])
    assert '\n  [devices.phone]\n  adb = ""' in render_devices([])
