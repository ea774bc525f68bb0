"""The suite's own options: names as short as these may belong to other plugins elsewhere."""

from __future__ import annotations

import pytest

_OPTIONS: tuple[tuple[str, dict[str, object]], ...] = (
    ("--models", {"action": "append", "default": [], "metavar": "MODEL", "help": "a .tflite file or a folder of them"}),
    ("--data", {"metavar": "SOURCE", "help": "images to classify: folder:DIR, ham10000:DIR, phantom"}),
    ("--engine", {"default": "interpreter", "metavar": "NAME[,NAME]", "help": "interpreter, compiled"}),
    ("--delegate", {"default": "default", "metavar": "NAME[,NAME]", "help": "default, xnnpack, none, gpu"}),
    ("--threads", {"default": "1", "metavar": "N[,N]", "help": "thread counts"}),
    ("--device", {"metavar": "DEVICE", "help": "where to run: local, a name of edgebench.toml, or ssh://USER@HOST"}),
    ("--python", {"metavar": "PATH", "help": "run workers under this Python"}),
    ("--budget", {"metavar": "T", "help": "time for the run of all selected cases (60s)"}),
    ("--blocks", {"type": int, "metavar": "N", "help": "exactly N blocks of fresh workers, for a quick look"}),
)
_GROUP = "edgebench suite"


def add_suite_options(parser: pytest.Parser) -> None:
    """Add what says which models run, and how; once, whoever asks first."""
    group = parser.getgroup(_GROUP)
    if not group.options:
        for name, about in _OPTIONS:
            group.addoption(name, **about)
