"""From an image file to its scores, as an app does it, with the time of each step."""

from __future__ import annotations

import gc
import time
from typing import Any, Callable, List, Sequence, Tuple

import numpy as np

from .engines import Engine
from .images import image_geometry, input_tables, is_channels_first, model_input
from .inputs import dequantize
from .photo import resized, upright
from .refusal import Refusal, one_line

#: The steps of one answer, in order.
PARTS = ("read and decode", "resize", "normalise", "copy in", "invoke", "read out")


class PhotoClassifier:
    """Answers image files, one after the other and from the first again. All are read once, so that none is cold.

    ``mode`` is how images are resized, ``table`` the real value of each of the 256 pixel values, as for
    :class:`.images.ImageClassifier`. A model with a fixed batch gets the same image in every place.
    """

    def __init__(
        self,
        engine: Engine,
        paths: Sequence[str],
        mode: str,
        table: Any,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._open = _pillow_open()
        self._engine = engine
        self._paths = list(paths)
        self._mode = mode
        self._clock = clock
        tensor = engine.input_tensor(0)
        self._height, self._width, self._channels = image_geometry(tensor.shape)
        self._batch = tensor.shape[0]
        self._channels_first = is_channels_first(tensor.shape)
        self._tables = input_tables(tensor, table, self._channels)
        self._output = engine.output_tensor(0)
        self._next = 0
        if not self._paths:
            raise Refusal("photo", "no image files to answer")
        for path in self._paths:
            _read(path)

    def answer(self, path: str) -> "Tuple[np.ndarray[Any, Any], List[int]]":
        """Return the float32 scores of one file, and the clock before the first step and after each."""
        clock, engine = self._clock, self._engine
        times = [clock()]
        try:
            with self._open(path) as file:
                image = upright(file, self._channels)
            times.append(clock())
            pixels = resized(image, self._height, self._width, self._mode)
        except Exception as error:  # a decoder fed a damaged file raises whatever its parser stumbled over
            raise Refusal("photo", "%s cannot be decoded there: %s" % (path, one_line(error))) from error
        times.append(clock())
        batch = pixels[None] if self._batch == 1 else np.repeat(pixels[None], self._batch, axis=0)
        values = model_input(batch, self._tables, self._channels_first)
        times.append(clock())
        engine.set_inputs([values])
        times.append(clock())
        engine.invoke()
        times.append(clock())
        scores = dequantize(engine.read_output(0), self._output).reshape(self._batch, -1)[0]
        times.append(clock())
        return scores, times

    def run(self, min_runs: int, max_runs: int, max_ns: int) -> "np.ndarray[Any, Any]":
        """Answer at least ``min_runs`` files and then until ``max_ns`` have passed, never over ``max_runs``.

        Returns:
            int64 ns [answers, parts], the steps in the order of ``PARTS``. The cyclic garbage collector is off
            meanwhile.
        """
        rows: List[List[int]] = []
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            deadline = self._clock() + max_ns
            while len(rows) < max_runs:
                _, times = self.answer(self._paths[self._next])
                self._next = (self._next + 1) % len(self._paths)
                rows.append(times)
                if times[-1] >= deadline and len(rows) >= min_runs:
                    break
        finally:
            if was_enabled:
                gc.enable()
        return np.diff(np.array(rows, np.int64).reshape(-1, len(PARTS) + 1), axis=1)


def _pillow_open() -> Callable[[str], Any]:
    try:
        from PIL import Image
    except ImportError as error:
        raise Refusal(
            "no-pillow", "the worker's Python has no Pillow, which decodes images: pip install Pillow there"
        ) from error
    return Image.open


def _read(path: str) -> None:
    try:
        with open(path, "rb") as file:
            file.read()
    except OSError as error:
        raise Refusal("photo", "%s cannot be read there: %s" % (path, error.strerror)) from error
