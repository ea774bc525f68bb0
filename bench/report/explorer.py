"""Node data for Model Explorer: per graph, output tensor name -> a value and the colour that goes with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def node_data(graphs: Mapping[str, Mapping[str, float]], gradient: Sequence[Mapping[str, Any]]) -> str:
    """Return the file's text. ``gradient`` are stops from 0, the least value, to 1, the greatest."""
    return json.dumps(
        {
            graph: {
                "results": {name: {"value": round(value, 4)} for name, value in results.items()},
                "gradient": list(gradient),
            }
            for graph, results in graphs.items()
        },
        indent=1,
    )


def graph_id(names: Sequence[str], subgraph: int) -> str:
    """Return what Model Explorer 0.2 calls a subgraph, by the names that the file gives them."""
    name = names[subgraph] if subgraph < len(names) else ""
    return name or (f"subgraph_{subgraph}" if subgraph else "main")
