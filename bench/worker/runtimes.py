"""Which TFLite runtime this Python has, and its version."""

from __future__ import annotations

import importlib
import time
from typing import Any, Dict, List, NamedTuple, Optional

from .refusal import Refusal, one_line

#: Short name, as in case ids -> (package, module with ``Interpreter``), in order of preference.
RUNTIMES = {
    "litert": ("ai-edge-litert", "ai_edge_litert.interpreter"),
    "tflite": ("tflite-runtime", "tflite_runtime.interpreter"),
    "tf": ("tensorflow", "tensorflow.lite.python.interpreter"),
}


class Runtime(NamedTuple):
    """A loaded runtime: its short name, package, version, the module that holds ``Interpreter`` and its import time."""

    name: str
    package: str
    version: str
    module: Any
    import_ns: int

    def describe(self) -> Dict[str, Any]:
        """Return the JSON form, without the module."""
        return {"name": self.name, "package": self.package, "version": self.version, "import_ns": self.import_ns}


def load_runtime(wanted: Optional[str] = None) -> Runtime:
    """Import and return the first runtime this Python has, or the ``wanted`` one.

    Raises:
        Refusal: ``no-runtime`` when there is none, naming what each import said.
    """
    said: List[str] = []
    for name in [wanted] if wanted else list(RUNTIMES):
        package, module_name = RUNTIMES[name]
        start = time.perf_counter_ns()
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            # A package that is there but lacks one of its own needs (numpy, say) must not read as "not installed".
            if error.name and error.name.split(".")[0] != module_name.split(".")[0]:
                said.append("%s needs %s, which is missing" % (package, error.name))
            continue
        except Exception as error:  # a broken wheel raises ImportError, OSError or its own kind
            said.append("%s does not import: %s" % (package, one_line(error, 160)))
            continue
        return Runtime(name, package, _version(package, module), module, time.perf_counter_ns() - start)
    detail = "; ".join(said) or "none of ai-edge-litert, tflite-runtime, tensorflow is installed"
    if wanted and not said:
        detail = "%s is not installed" % RUNTIMES[wanted][0]
    raise Refusal("no-runtime", "no TFLite runtime in this Python: " + detail)


def _version(package: str, module: Any) -> str:
    from importlib import metadata

    names = [package, "tensorflow-cpu", "tflite-runtime-nightly", "ai-edge-litert-nightly"]
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return str(getattr(module, "__version__", "unknown"))
