"""What a model file itself says about its labels and normalisation, as far as measuring needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import EdgebenchError
from .images.normalization import Normalization
from .tflite_metadata import read_metadata

SOURCE = "the model's own metadata"


@dataclass(frozen=True)
class Embedded:
    """Unsaid parts are None. ``note`` tells of metadata that is there and cannot be used."""

    labels: tuple[str, ...] | None = None
    normalization: Normalization | None = None
    note: str | None = None


def read_embedded(path: Path) -> Embedded:
    """What the standard TFLite Metadata in a file says; a file with damaged metadata can still be measured."""
    try:
        found = read_metadata(path)
        if found is None:
            return Embedded()
        normalization = None
        if found.mean is not None and found.std is not None:
            normalization = Normalization("metadata", found.mean, found.std)
    except EdgebenchError as error:
        return Embedded(note=f"its embedded metadata is not used: {error}")
    labels = found.labels
    if labels is not None and (len(set(labels)) != len(labels) or "" in labels):
        return Embedded(None, normalization, "its embedded labels repeat or are empty, and are not used")
    return Embedded(labels, normalization)
