"""What adb says of a phone that cannot be reached, in one line, and whether to try again may help."""

from __future__ import annotations

from ..errors import DeviceError, DeviceLost, DeviceRefused

READY = "device"
NO_ADB = (
    "phones over adb need adbutils (pip install 'edgebench[android]'), or Android's own adb on the PATH "
    "(Debian: apt install adb; others: the platform-tools of Android's SDK)"
)
#: States in which a phone is switched on, but is no Android.
_OTHER_SYSTEMS = ("bootloader", "fastboot", "recovery", "rescue", "sideload")


def explain(serial: str, said: str) -> DeviceError:
    """Return the error for what adb says of a device: its state, or the reason of a failure."""
    words = said.strip().lower()
    if "unauthorized" in words or "failed to authenticate" in words:
        return DeviceRefused(
            f"{serial}: it has not allowed this machine to debug it: unlock it, look at its screen, and accept "
            '"Allow USB debugging"; if it shows nothing, plug it in anew'
        )
    if "authorizing" in words or "connecting" in words:
        return DeviceLost(f"{serial}: it is about to say whether this machine may debug it; look at its screen")
    if "offline" in words:
        return DeviceLost(
            f"{serial}: it is offline: adb knows it, but it does not answer; plug it in anew, or switch its debugging "
            "off and on"
        )
    if "no permissions" in words or "insufficient permissions" in words:
        return DeviceRefused(
            f"{serial}: this user may not open its USB port (on Debian: apt install android-sdk-platform-tools-common, "
            "which lets members of the group plugdev do so)"
        )
    if words in _OTHER_SYSTEMS:
        return DeviceRefused(f"{serial}: it has started its {words}, not Android; restart it")
    if "not found" in words or not words:
        return DeviceLost(f"{serial}: no such device is attached")
    return DeviceLost(f"{serial}: {one_line(said)}")


def explain_connecting(place: str, said: str) -> DeviceError | None:
    """Return the error for what the server says of connecting to a place, None where it is connected."""
    words = one_line(said)
    if words.startswith(("connected to", "already connected to")):
        return None
    if "authenticate" in words:
        return explain(place, words)
    if "resolve host" in words or "not known" in words:
        return DeviceRefused(f"{place}: there is no machine of that name: {words}")
    return DeviceLost(
        f"{place}: {words}; is wireless debugging on, is this its present port, and has it been paired once (adb pair)?"
    )


def one_line(said: str) -> str:
    """Return the first line that says something, without adb's own prefix."""
    for line in said.splitlines():
        words = line.strip().removeprefix("adb:").strip().removeprefix("error:").strip()
        # What the client says of starting its server.
        if words and not words.startswith("* daemon"):
            return words[:300]
    return "adb gives no reason"
