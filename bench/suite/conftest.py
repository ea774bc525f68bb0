"""Options of this suite alone: names as short as these may belong to other plugins elsewhere."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what says which models run, and how."""
    group = parser.getgroup("edgebench suite")
    group.addoption("--models", action="append", default=[], metavar="MODEL", help="a .tflite file or a folder of them")
    group.addoption("--data", metavar="SOURCE", help="images to classify: folder:DIR, ham10000:DIR, phantom")
    group.addoption("--engine", default="interpreter", metavar="NAME[,NAME]", help="interpreter, compiled")
    group.addoption("--delegate", default="default", metavar="NAME[,NAME]", help="default, xnnpack, none, gpu")
    group.addoption("--threads", default="1", metavar="N[,N]", help="thread counts")
    group.addoption("--device", default="local", metavar="DEVICE", help="where to run: local")
    group.addoption("--python", metavar="PATH", help="run workers under this Python")
    group.addoption("--blocks", type=int, metavar="N", help="exactly N blocks of fresh workers, for a quick look")
