"""What reports tell of devices, from scripted records."""

from __future__ import annotations

from dataclasses import replace

from edgebench.readings import Cause, CoreGroup, Moment, Reading, Throttling
from edgebench.records import DeviceRecord, RunRecord
from edgebench.report.device_charts import device_charts
from edgebench.report.device_facts import cores, throttled_in_short, throttling
from edgebench.report.devices import device_lines, device_section
from edgebench.report.html import render_html
from edgebench.report.markdown import render_markdown
from edgebench.report.sections import Section
from edgebench.report.terminal import render_table
from samples import ENVIRONMENT, HOSTILE, empty_samples, four_variants
from test_html import text_of

NO_TOOL = "vcgencmd is not installed (it belongs to Raspberry Pi systems)"
HELD = Throttling(0x60006, (Cause.CLOCK_CAPPED, Cause.THROTTLED), (Cause.CLOCK_CAPPED, Cause.THROTTLED))


def read(moment: Moment, block: int | None, celsius: float, measured_hz: int, told: Throttling) -> Reading:
    return Reading(
        moment,
        1,
        block,
        {"cpu-thermal": celsius, "wifi": 30.0},
        {"0-3": 1_500_000_000},
        {"0-3": "ondemand"},
        measured_hz,
        told,
        under_voltage=False,
        memory_available_bytes=3_000_000_000 - (block or 0) * 10_000_000,
        load_1min=0.5,
    )


def board(name: str = "ssh://pi@box") -> DeviceRecord:
    """Return a board that throttled in the second of two blocks."""
    return DeviceRecord(
        name,
        replace(ENVIRONMENT, cpu_model=None, unavailable={"cpu_model": "the system does not name its processor"}),
        "pi@box:22",
        "Raspberry Pi 4 Model B Rev 1.2",
        "brcm,bcm2711",
        (CoreGroup("0-3", 4, 1_500_000_000),),
        (),
        (),
        (
            read(Moment.BEFORE, None, 48.0, 1_500_000_000, Throttling(0)),
            read(Moment.DURING, 0, 61.5, 1_500_000_000, Throttling(0)),
            read(Moment.DURING, 1, 84.0, 600_000_000, HELD),
            read(Moment.AFTER, None, 70.0, 1_500_000_000, replace(HELD, raw=0x60000, now=())),
        ),
        bytes_sent=12_300_000,
        unavailable={"bytes_reused": "nobody counted"},
    )


def machine() -> DeviceRecord:
    """Return a virtual machine that tells neither temperature nor clock."""
    reasons = {"celsius": "no zones", "clocks_hz": "no governor", "governors": "no governor", "throttling": NO_TOOL,
               "measured_clock_hz": NO_TOOL, "under_voltage": "no monitor"}  # fmt: skip
    readings = tuple(
        Reading(moment, 1, block, memory_available_bytes=8_000_000_000, load_1min=load, unavailable=reasons)
        for moment, block, load in ((Moment.BEFORE, None, 1.0), (Moment.DURING, 0, 1.5), (Moment.AFTER, None, 2.0))
    )
    return DeviceRecord(
        "local", ENVIRONMENT, cores=(CoreGroup("0-1", 2),), virtual=("flag",), emulated=(), readings=readings,
        unavailable={"board_model": "no tables", "soc": "no tables", "max_hz": "no governor"},
    )  # fmt: skip


def of(*devices: DeviceRecord) -> RunRecord:
    return replace(four_variants(), devices=devices)


def facts(record: RunRecord) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in present(record).grids[0].rows}


def present(record: RunRecord) -> Section:
    section = device_section(record)
    assert section is not None
    return section


def test_a_record_without_devices_says_nothing() -> None:
    assert device_lines(four_variants()) == []
    assert device_section(four_variants()) is None
    assert device_charts(four_variants()) == []
    assert "Device" not in render_table(four_variants()).replace("Same for all: device", "")


def test_a_board_in_three_lines() -> None:
    first, second, third = device_lines(of(board()))
    assert first == (
        "Device ssh://pi@box: Raspberry Pi 4 Model B Rev 1.2 (brcm,bcm2711), 4 × 1.50 GHz, governor ondemand, "
        "Debian GNU/Linux 12 (bookworm), 6.1.0-28-amd64."
    )
    assert second == (
        "  cpu-thermal 48.0 → 84.0 (highest) → 70.0 °C; clock 1.50 GHz; measured clock 1.50 → 0.60 (lowest) → 1.50 "
        "GHz; THROTTLING during the run: clock capped, throttled; at least 2990 MB free; load 0.5 → 0.5."
    )
    assert third == "  12.3 MB sent."


def test_what_it_took_to_measure_elsewhere() -> None:
    there = replace(board(), bytes_sent=0, bytes_reused=2_850_000, ready_to_first_result_ns=14_690_000_000)
    assert device_lines(of(there))[2] == "  0 MB sent, 2.85 MB were there already; ready to first result 14.69 s."
    assert len(device_lines(of(replace(there, bytes_sent=None, ready_to_first_result_ns=None)))) == 2


def test_a_board_that_is_called_like_its_chip_is_named_once() -> None:
    assert "(" not in device_lines(of(replace(board(), soc=board().board_model)))[0].partition(",")[0]


def test_a_virtual_machine_in_one_line() -> None:
    assert device_lines(of(machine())) == [
        "Device: AMD EPYC 7B13, virtual machine, 2 CPUs; no temperature or clock told; at least 8000 MB free; "
        "load 1.0 → 2.0."
    ]


def test_the_runtime_of_the_devices_own_cases_is_named() -> None:
    assert "ai-edge-litert 2.3.0, Python 3.11.9." in device_lines(of(replace(board(), name="local")))[0]


def test_a_board_without_its_tool_says_that_throttling_is_unknown() -> None:
    readings = tuple(replace(item, throttling=None, unavailable={"throttling": NO_TOOL}) for item in board().readings)
    assert f"throttling unavailable: {NO_TOOL}" in device_lines(of(replace(board(), readings=readings)))[1]
    assert NO_TOOL not in device_lines(of(machine()))[0]


def test_every_bit_is_told() -> None:
    assert throttling(board()) == [
        ("Under-voltage", "not set; not since boot"),
        ("Clock capped by the firmware", "set in 1 of 4 readings; occurred during the run"),
        ("Throttled by the firmware", "set in 1 of 4 readings; occurred during the run"),
        ("Soft temperature limit", "not set; not since boot"),
    ]
    old = Throttling(0x10000, (), (Cause.UNDER_VOLTAGE,))
    before = replace(board(), readings=tuple(replace(item, throttling=old) for item in board().readings))
    assert throttling(before)[0] == ("Under-voltage", "not set; had occurred since boot")
    assert throttled_in_short(before) == "no throttling during the run (since boot: under-voltage)"
    calm = replace(board(), readings=board().readings[:2])
    assert throttled_in_short(calm) == "no throttling since boot"
    assert throttling(machine()) == []


def test_all_facts_and_why_others_are_unavailable() -> None:
    found = facts(of(board()))
    assert found["Cores"] == ("4 × 1.50 GHz (CPU 0-3)",)
    assert found["Processor"] == ("unavailable: the system does not name its processor",)
    assert found["Address"] == ("pi@box:22",)
    assert found["Bytes sent"] == ("12.3 MB",)
    assert found["Bytes that were there already"] == ("unavailable: nobody counted",)
    assert found["Supply, by the kernel"] == ("never too low",)
    assert found["Emulated"] == found["Virtual machine"] == ("no sign of it",)


def test_what_is_unavailable_for_one_reason_shares_a_row() -> None:
    found = facts(of(machine()))
    assert found["Maximum clock, governor, clock"] == ("unavailable: no governor",)
    assert found["Measured clock, throttling"] == (f"unavailable: {NO_TOOL}",)
    assert found["Virtual machine"] == ("yes: flag",)
    assert "Address" not in found


def test_the_course_has_the_extremes() -> None:
    rows = {row[0]: row[1:] for row in present(of(board())).grids[1].rows}
    assert rows["cpu-thermal, °C"] == ("48.0", "48.0", "84.0", "70.0")
    assert rows["measured clock, GHz"] == ("1.50", "0.60", "1.50", "1.50")
    assert rows["memory free, MB"] == ("3000", "2990", "3000", "3000")
    assert list(rows)[:2] == ["cpu-thermal, °C", "wifi, °C"]


def test_several_devices_stand_side_by_side() -> None:
    record = of(board(), machine())
    section = present(record)
    assert section.title == "Devices"
    assert [name for name, _ in section.grids[0].heads] == ["", "ssh://pi@box", "local"]
    assert facts(record)["Address"] == ("pi@box:22", "–")
    assert [grid.title for grid in section.grids[1:]] == [
        "Before, during and after, ssh://pi@box",
        "Before, during and after, local",
    ]
    assert len(device_lines(record)) == 4


def test_many_zones_are_cut_and_said_to_be() -> None:
    hot = replace(board().readings[0], celsius={f"tsens{number}": float(number) for number in range(20)})
    section = present(of(replace(board(), readings=(hot, hot))))
    shown = [row[0] for row in section.grids[1].rows if row[0].startswith("tsens")]
    assert shown == [f"tsens{number}, °C" for number in range(19, 11, -1)]
    assert section.lines == ("12 more thermal zones, cooler or not of the processor, not shown",)


def test_cores_of_two_kinds_have_a_clock_each() -> None:
    groups = (CoreGroup("0-1", 2, 1_800_000_000), CoreGroup("2-3", 2, 2_400_000_000))
    both = tuple(
        replace(item, clocks_hz={"0-1": 1_800_000_000, "2": 2_000_000_000, "3": 2_400_000_000})
        for item in board().readings
    )
    rows = {row[0]: row[1:] for row in present(of(replace(board(), cores=groups, readings=both))).grids[1].rows}
    assert rows["clock of CPUs 0-1, GHz"][0] == "1.80"
    assert rows["clock of CPUs 2-3, GHz"][0] == "2.40"
    assert cores(groups, None) == "2 × 1.80 GHz + 2 × 2.40 GHz"


def test_the_figure_has_heat_above_clock() -> None:
    (chart,) = device_charts(of(board()))
    assert chart.key == "device"
    assert [(trace["name"], trace["yaxis"]) for trace in chart.traces] == [
        ("cpu-thermal", "y"), ("wifi", "y"), ("clock", "y2"), ("measured clock", "y2"),
    ]  # fmt: skip
    assert chart.traces[0]["y"] == [48.0, 61.5, 84.0, 70.0]
    assert chart.traces[3]["y"] == [1.5, 1.5, 0.6, 1.5]
    colours = chart.traces[3]["marker"]["color"]
    assert colours[2] != colours[0] == colours[1] == colours[3]
    assert "after block 1" in chart.traces[0]["hovertext"][2]
    assert "throttled" in chart.traces[0]["hovertext"][2]
    assert device_charts(of(machine())) == []


def test_the_figure_lets_choose_a_device() -> None:
    cool = replace(board("b"), readings=tuple(replace(item, clocks_hz={}) for item in board().readings[:2]))
    (chart,) = device_charts(of(board("a"), machine(), cool))
    assert [choice.title for choice in chart.choices] == ["a", "b"]
    assert [trace["visible"] for trace in chart.traces] == [True] * 4 + [False] * 3


def test_heat_alone_fills_the_figure() -> None:
    bare = tuple(replace(item, clocks_hz={}, measured_clock_hz=None) for item in board().readings)
    (chart,) = device_charts(of(replace(board(), readings=bare)))
    assert chart.title == "Temperature over the run"
    assert "yaxis2" not in chart.layout


def test_every_form_has_it_and_names_stay_text() -> None:
    zones = {f"{HOSTILE}|zone": 50.0}
    odd = replace(
        board(HOSTILE), board_model=HOSTILE, soc=HOSTILE, address=HOSTILE,
        readings=tuple(replace(item, celsius=zones, governors={HOSTILE: HOSTILE}, clocks_hz={HOSTILE: 1})
                       for item in board().readings),
    )  # fmt: skip
    record = of(odd, machine())
    page = render_html(record, empty_samples(), None)
    assert "<img" not in page.split("<script>")[0]
    assert "Before, during and after" in text_of(page)
    assert '<a href="#device">Devices</a>' in page
    text = render_markdown(record)
    assert "## Devices" in text
    assert "<img" not in text.replace("\\<img", "")
    assert "Device local: AMD EPYC 7B13" in render_table(record, width=100)
    assert all(len(line) <= 100 for line in render_table(of(board()), width=100).splitlines())
