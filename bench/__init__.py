"""edgebench: which variant of a model should run on which device, and what does it cost each class?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import EdgebenchError

if TYPE_CHECKING:
    from .api import compare, load, resume, run
    from .changes import RunChange
    from .records import RunRecord, Settings
    from .redaction import redact
    from .store import StoredRun

__version__ = "0.1.0"

__all__ = [
    "EdgebenchError",
    "RunChange",
    "RunRecord",
    "Settings",
    "StoredRun",
    "__version__",
    "compare",
    "load",
    "redact",
    "resume",
    "run",
]

_HOMES = {
    "compare": "api",
    "load": "api",
    "redact": "redaction",
    "resume": "api",
    "run": "api",
    "RunChange": "changes",
    "RunRecord": "records",
    "Settings": "records",
    "StoredRun": "store",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that ``edgebench --help`` stays quick."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
