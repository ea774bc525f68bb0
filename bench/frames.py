"""Samples and scores as data frames, the form in which they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from .evaluation import Scored
    from .rounds import SampleLog

SCORE_PREFIX = "score:"
_SAMPLE_TYPES = {
    "case": "object",
    "block": "int32",
    "round": "int32",
    "start_ns": "int64",
    "latency_ns": "int64",
    "warmup": "bool",
}


def samples_frame(logs: Sequence[tuple[str, SampleLog]]) -> pd.DataFrame:
    """Return one row a sample: case, block, round, start_ns, latency_ns, warmup."""
    import pandas as pd

    parts = [
        pd.DataFrame(
            {
                "case": case_id,
                "block": np.int32(burst.block),
                "round": np.int32(burst.round_index),
                "start_ns": burst.samples.start_ns,
                "latency_ns": burst.samples.latency_ns,
                "warmup": burst.warmup,
            }
        )
        for case_id, log in logs
        for burst in log.bursts
    ]
    if not parts:
        return pd.DataFrame({name: np.empty(0, kind) for name, kind in _SAMPLE_TYPES.items()})
    return pd.concat(parts, ignore_index=True).astype({"case": "category"})


def predictions_frame(scored: Sequence[tuple[str, Scored]]) -> pd.DataFrame | None:
    """Return one row an image and case: case, image_id, lesion_id, label and a ``score:<label>`` column per class.

    Cases with other labels leave those columns empty. None where nothing was classified.
    """
    import pandas as pd

    parts = []
    for case_id, result in scored:
        items = result.images.items
        columns: dict[str, Any] = {
            "case": case_id,
            "image_id": [storable(item.image_id) for item in items],
            "lesion_id": [item.lesion_id for item in items],
            "label": [item.label for item in items],
        }
        columns.update({f"{SCORE_PREFIX}{label}": result.scores[:, i] for i, label in enumerate(result.labels)})
        parts.append(pd.DataFrame(columns))
    if not parts:
        return None
    return pd.concat(parts, ignore_index=True).astype({"case": "category"})


def storable(text: str) -> str:
    """Return the text with bytes that are no UTF-8 (a file name may hold them) written out as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
