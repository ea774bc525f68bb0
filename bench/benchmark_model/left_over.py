"""Ends what a run that was cut off has left on a device: the tool goes on there without anybody who listens."""

from __future__ import annotations

from ..devices.transport import Transport

#: How the folder of a case begins, below scratch/ of our folder there.
TOOL_SCRATCH = "tool-"
# The brackets keep the search from finding itself.
_END = r"""
for found in $(grep -l "$1/[s]cratch/$2" /proc/[0-9]*/cmdline 2>/dev/null); do
  pid=${found#/proc/}
  kill -KILL "${pid%/cmdline}" 2>/dev/null
done
rm -rf "$1/scratch/$2"*
"""
_STEP_S = 60.0


def end_left_over(transport: Transport, root: str, folder: str = TOOL_SCRATCH) -> None:
    """Kill the tools of earlier runs, and remove their folders. Only who has the device for himself may.

    ``folder`` is how those folders' names begin: one's whole name for a tool of one's own that somebody has stopped.

    Raises:
        DeviceLost, DeviceRefused: the device does not answer.
    """
    transport.run(["sh", "-c", _END, "sh", root, folder], timeout_s=_STEP_S)
