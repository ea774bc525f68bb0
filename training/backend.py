"""Importing TensorFlow: late, quietly, and with one line where it is not installed."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

from edgebench.errors import UsageError

INSTALL_HINT = 'pip install "edgebench[train]"'


class Chatter:
    """What native code and Python wrote to stdout and stderr while it was captured."""

    def __init__(self) -> None:
        self.text = ""


@contextlib.contextmanager
def captured_output() -> Iterator[Chatter]:
    """Catch everything written to file descriptors 1 and 2, native libraries included.

    The text is complete after the ``with`` block.
    """
    chatter = Chatter()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with tempfile.TemporaryFile() as file:
        saved = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            with contextlib.redirect_stdout(sys.__stdout__), contextlib.redirect_stderr(sys.__stderr__):
                yield chatter
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
        finally:
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            chatter.text = file.read().decode("utf-8", "replace")


def tensorflow() -> Any:
    """The module ``tensorflow``, imported at the first call.

    Raises UsageError where it is not installed or cannot be loaded.
    """
    loaded = sys.modules.get("tensorflow")
    if loaded is not None:
        return loaded
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with captured_output(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow as module
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs TensorFlow ({error}); install it with: {INSTALL_HINT}") from error
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"TensorFlow cannot be loaded ({reason}); try again after: {INSTALL_HINT}") from error
    module.get_logger().setLevel("ERROR")
    return module


def versions() -> dict[str, str]:
    """Versions of the tools that decide what comes out."""
    import keras
    import numpy as np
    import PIL
    from edgebench import __version__

    return {
        "edgebench": __version__,
        "python": sys.version.split()[0],
        "tensorflow": str(tensorflow().__version__),
        "keras": str(keras.__version__),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
