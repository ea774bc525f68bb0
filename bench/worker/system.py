"""What a machine calls its system and its processor."""

from __future__ import annotations

from typing import Optional

from . import android
from .programs import Ask
from .tree import Tree, Unreadable

_RELEASES = ("/etc/os-release", "/usr/lib/os-release")
#: Fields of /proc/cpuinfo, the most telling first.
_MODELS = ("model name", "Model", "Hardware")


def system_name(tree: Tree, ask: Ask) -> Optional[str]:
    """Return ``Debian GNU/Linux 13 (trixie)``, or ``Android 14 (API 34), build AP1A``; None where it has no name."""
    if android.is_android(tree):
        try:
            return android.system(android.properties(ask))
        except Unreadable:
            return "Android"
    for path in _RELEASES:
        try:
            text = tree.text(path)
        except Unreadable:
            continue
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key == "PRETTY_NAME":
                return value.strip().strip("\"'")
    return None


def cpu_model(tree: Tree) -> Optional[str]:
    """Return the processor's name, None where ``/proc/cpuinfo`` has none."""
    try:
        text = tree.text("/proc/cpuinfo")
    except Unreadable:
        return None
    fields = [line.split(":", 1) for line in text.splitlines() if ":" in line]
    for wanted in _MODELS:
        for key, value in fields:
            if key.strip() == wanted and value.strip():
                return value.strip()
    return None
