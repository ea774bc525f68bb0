"""Ends what a run that was cut off has left on a device: the tool goes on there without anybody who listens."""

from __future__ import annotations

from ..devices.transport import Transport

#: How the folder of a case begins, below scratch/ of our folder there.
TOOL_SCRATCH = "tool-"
# The brackets keep the search from finding itself.
_END = rf"""
for found in $(grep -l "$1/[s]cratch/{TOOL_SCRATCH}" /proc/[0-9]*/cmdline 2>/dev/null); do
  pid=${{found#/proc/}}
  kill -KILL "${{pid%/cmdline}}" 2>/dev/null
done
rm -rf "$1"/scratch/{TOOL_SCRATCH}*
"""
_STEP_S = 60.0


def end_left_over(transport: Transport, root: str) -> None:
    """Kill the tools of earlier runs, and remove their folders. Only who has the device for himself may.

    Raises:
        DeviceLost, DeviceRefused: the device does not answer.
    """
    transport.run(["sh", "-c", _END, "sh", root], timeout_s=_STEP_S)
