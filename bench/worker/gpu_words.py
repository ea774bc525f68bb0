"""What LiteRT 2.3's GPU accelerator writes to standard error while it compiles a model, as facts.

It tells which adapter it chose, how many operations it takes and why it does not start nowhere else.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional

from .android import why_no_gpu as why_no_gpu_of_phone

_ADAPTER = re.compile(r"Selected adapter: (?P<name>.*?), arch=.*?adapterType=(?P<kind>[^\n]*)")
_SPLIT = re.compile(r"(No|\d+) operations will run on the GPU, and (?:the remaining|all) (\d+) operations will run on")
_REFUSED = re.compile(
    r"operations are not supported by GPU delegate:\n(.*?)(?=(?:No|\d+) operations will run)", re.DOTALL
)
_LACKING = re.compile(r"Warning: (Vulkan \S.*? required)")
_NO_LOADER = re.compile(r"Couldn't load Vulkan: ([^\n]*)")
_FAILED = re.compile(r"Failed to initialize WebGPU environment: ([^\n]*)")

_DYNAMIC = "a delegate that only supports static-sized tensors with a graph that has dynamic-sized tensors"

#: Names under which programs on the CPU play a GPU.
_SOFTWARE = ("llvmpipe", "lavapipe", "swiftshader")


class Split(NamedTuple):
    """Operations that run on the GPU and in all; ``operators`` maps the names of those left to the CPU to their count.

    A count is None where it is not told. ``reasons`` are the accelerator's own words.
    """

    taken: int
    total: int
    operators: Dict[str, Optional[int]]
    reasons: List[str]


def read_adapter(text: str) -> Optional[Dict[str, Any]]:
    """Return name, kind and whether it is software of the adapter chosen, None where none is named."""
    found = _ADAPTER.search(text)
    if found is None:
        return None
    return adapter(found.group("name").strip(), _kind(found.group("kind")))


def adapter(name: str, kind: str) -> Dict[str, Any]:
    """Return the JSON form of an adapter. ``kind`` is integrated, discrete, virtual, cpu or other."""
    software = kind == "cpu" or any(word in name.lower() for word in _SOFTWARE)
    return {"name": name, "kind": kind, "software": software}


def _kind(text: str) -> str:
    lower = text.lower()
    for word in ("discrete", "integrated", "virtual", "cpu"):
        if word in lower:
            return word
    return "other"


def read_split(text: str) -> Optional[Split]:
    """Return how operations were split, summed over subgraphs; None where all or nothing was said of it."""
    counts = _SPLIT.findall(text)
    if not counts:
        return None
    taken = sum(int(number) for number, _ in counts if number != "No")
    left = sum(int(number) for _, number in counts)
    reasons = [line.strip() for block in _REFUSED.findall(text) for line in block.splitlines() if ":" in line]
    reasons = list(dict.fromkeys(reasons))
    names = list(dict.fromkeys(reason.split(":", 1)[0] for reason in reasons))
    return Split(taken, taken + left, _counted(names, left), reasons)


def _counted(names: List[str], left: int) -> Dict[str, Optional[int]]:
    """Return each name's count where the sum leaves only one possibility."""
    if len(names) == 1:
        return {names[0]: left}
    return dict.fromkeys(sorted(names), 1 if len(names) == left else None)


def has_dynamic_tensors(text: str) -> bool:
    """Return whether the accelerator refused the model for tensors whose size only a run tells."""
    return _DYNAMIC in text


def why_no_gpu(text: str) -> Optional[str]:
    """Return one line on why the accelerator did not start, with what to do; None where it does not say so."""
    if "GPU accelerator could not be loaded" in text:
        return (
            "LiteRT finds no GPU accelerator it can load, and would run on the CPU in silence; reinstall ai-edge-litert"
        )
    loader = _NO_LOADER.search(text)
    if loader:
        hint = "the Vulkan loader is missing (%s); install libvulkan1 and your GPU's Vulkan driver" % loader.group(1)
        return why_no_gpu_of_phone() or hint
    lacking = _LACKING.search(text)
    if lacking:
        return "the Vulkan driver is too old (%s); LiteRT's GPU accelerator was seen to work with Mesa 25" % (
            lacking.group(1)
        )
    failed = _FAILED.search(text)
    if failed is None:
        return None
    said = failed.group(1).replace("INTERNAL: ", "").strip()
    if "Found no drivers" in text:
        return "Vulkan finds no driver; install your GPU's Vulkan driver"
    if "No adapters" in said:
        return "Vulkan finds no adapter (%s); install your GPU's Vulkan driver" % said
    return "LiteRT's GPU accelerator does not start: %s" % said
