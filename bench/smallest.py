"""A whole TFLite model in a few hundred bytes, to find out whether an engine or a delegate really loads and runs."""

from __future__ import annotations

import base64
from pathlib import Path

FILE_NAME = "smallest.tflite"

#: One ADD of a float32 vector to itself. Made by ``tests/fixtures/make_smallest_model.py``.
_CONTENT = (
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAYAAAA6AAAAAMAAAABAAAABAAAACD///8BAAAAEAAAAAwAFAAQAAwACAAE"
    "AAwAAAAQAAAAUAAAAFQAAABYAAAAAQAAABQAAAAAAA4AFAAAABAADAALAAQADgAAABAAAAAAAAALDAAAABAAAAB4////AQAAAAEA"
    "AAACAAAAAAAAAAAAAAABAAAAAQAAAAEAAAAAAAAAAgAAADQAAAAEAAAA4P///wgAAAAMAAAAAQAAAHkAAAACAAAAAQAAAAQAAAAM"
    "AAwACAAAAAAABAAMAAAACAAAAAwAAAABAAAAeAAAAAIAAAABAAAABAAAAAEAAAAIAAAABAAEAAQAAAA="
)


def smallest_model() -> bytes:
    """Return the model: input ``x`` and output ``y`` = x + x, float32 [1, 4]."""
    return base64.b64decode(_CONTENT)


def write_smallest_model(folder: Path) -> Path:
    """Write the model into ``folder`` and return the file's path. Raises OSError where that is impossible."""
    path = folder / FILE_NAME
    path.write_bytes(smallest_model())
    return path
