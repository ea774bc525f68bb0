"""Temperature and clock of each device over the readings of a run, one above the other."""

from __future__ import annotations

from typing import Any

from ..readings import Cause, Moment, Reading
from ..records import DeviceRecord, RunRecord
from .charts import Chart, Choice, Trace, label
from .device_facts import Course, clocks, temperatures
from .palette import colours
from .text import clean, shortened

_HEIGHT = 300
_PANEL_HEIGHT = 200
_THROTTLED = "#e0483e"
_ABOUT = (
    "Before the run, after each block's last burst, and at the end, in order. Red: the firmware held the clock down "
    "then. Hover or tap for the figures."
)


def device_charts(record: RunRecord) -> list[Chart]:
    """Return one figure, in which a reader chooses a device; none where no device told a temperature or clock."""
    drawn = [
        (device, temperatures(device), clocks(device))
        for device in record.devices
        if len(device.readings) > 1 and (temperatures(device) or clocks(device))
    ]
    if not drawn:
        return []
    hot, clocked = any(heat for _, heat, _ in drawn), any(clock for _, _, clock in drawn)
    both = hot and clocked
    most = max(len(device.readings) for device, _, _ in drawn)
    traces: list[Trace] = []
    choices = []
    for device, heat, clock in drawn:
        paint = colours(course.title for course in (*heat, *clock))
        found = [_trace(device, course, "y", 1.0, paint[course.title]) for course in heat]
        found += [_trace(device, course, "y2" if both else "y", 1e9, paint[course.title]) for course in clock]
        choices.append(Choice(shortened(clean(device.name), 44), tuple(range(len(traces), len(traces) + len(found)))))
        traces += found
    for place, trace in enumerate(traces):
        trace["visible"] = place in choices[0].traces
    title = "Temperature and clock over the run" if both else f"{'Temperature' if hot else 'Clock'} over the run"
    height = _HEIGHT + (_PANEL_HEIGHT if both else 0)
    return [Chart("device", title, _ABOUT, traces, _layout(hot=hot, both=both, most=most), height, tuple(choices))]


def _layout(*, hot: bool, both: bool, most: int) -> dict[str, Any]:
    """Return the layout: with ``both`` heat stands above clock; ``most`` readings are drawn."""
    upper: dict[str, Any] = {"title": {"text": "°C" if hot else "GHz"}, "rangemode": "normal" if hot else "tozero"}
    below: dict[str, Any] = {"title": {"text": "reading"}, "showgrid": False, "tick0": 0, "dtick": -(-most // 8)}
    layout = {"xaxis": below, "yaxis": upper, "legend": {"orientation": "h", "y": -0.2}}
    if both:
        upper["domain"], below["anchor"] = [0.55, 1], "y2"
        layout["yaxis2"] = {
            "title": {"text": "GHz"}, "rangemode": "tozero", "domain": [0, 0.45], "anchor": "x", "zeroline": False,
            "automargin": True, "fixedrange": True,
        }  # fmt: skip
    return layout


def _trace(device: DeviceRecord, course: Course, axis: str, unit: float, colour: str) -> Trace:
    held = [bool(_held(item)) for item in device.readings]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label(shortened(course.title, 32)),
        "yaxis": axis,
        "x": list(range(len(course.values))),
        "y": [None if value is None else float(f"{value / unit:.5g}") for value in course.values],
        "line": {"color": colour, "width": 1.5},
        "marker": {
            "color": [_THROTTLED if flag else colour for flag in held],
            "size": [8 if flag else 5 for flag in held],
            "opacity": 1,
        },
        "hovertext": [_hover(course, value, item) for value, item in zip(course.values, device.readings, strict=True)],
        "hoverinfo": "text",
    }


def _held(item: Reading) -> tuple[Cause, ...]:
    return item.throttling.now if item.throttling else ()


def _hover(course: Course, value: float | None, item: Reading) -> str:
    when = f"after block {item.block}" if item.moment is Moment.DURING else f"{item.moment.value} the run"
    lines = [f"<b>{label(course.title)}</b>, {when}"]
    lines += [] if value is None else [f"{course.show(value)} {course.unit}"]
    return "<br>".join(lines + [cause.value for cause in _held(item)])
