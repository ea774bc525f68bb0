"""The flags about the state that a device is measured in."""

from __future__ import annotations

import argparse
from typing import Any


def add_condition_flags(group: argparse._ArgumentGroup) -> None:
    """Add the flags that say how cool the device shall be, and how its clock is governed."""
    group.add_argument(
        "--cool-to",
        metavar="T",
        help="before each block wait until the processor is at T (55C), or a phone's thermal status is (status:none)",
    )
    group.add_argument("--cool-timeout", metavar="T", help="for --cool-to: then measure anyway, and say so (5m)")
    group.add_argument(
        "--set-governor",
        metavar="NAME",
        help="set this clock governor (performance) while measuring, then put back what was set; nothing is "
        "reconfigured without this flag",
    )


def condition_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the flags ask for. Raises UsageError where one of them is wrong."""
    from .condition_settings import condition_settings

    return condition_settings(options.cool_to, options.cool_timeout, options.set_governor)
