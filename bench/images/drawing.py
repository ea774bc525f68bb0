"""Drawing generated images on several cores: each process draws every n-th image and writes its pixels.

Plain processes rather than Python's process pool: that starts its processes by importing the user's own script
again, and leaves a helper process behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .generated import draw
from .geometry import Geometry, ResizeMode
from .items import ImageItem

#: Below this, starting processes takes longer than it saves.
_WORTH_PROCESSES = 48


def drawn(
    items: Sequence[ImageItem], geometry: Geometry, jobs: int
) -> Generator[tuple[ImageItem, npt.NDArray[np.uint8]], None, None]:
    """Each item in order with its pixels, uint8 [height, width, channels].

    Raises DataError where a drawing process ends early.
    """
    recipes = [item.recipe or "" for item in items]
    if jobs == 1 or len(items) < _WORTH_PROCESSES:
        for item, recipe in zip(items, recipes, strict=True):
            yield item, draw(recipe, geometry)
        return
    shape = (geometry.height, geometry.width, geometry.channels)
    size_bytes = geometry.height * geometry.width * geometry.channels
    with ExitStack() as stack:
        processes = [stack.enter_context(_Drawer(geometry, recipes[first::jobs])) for first in range(jobs)]
        for number, item in enumerate(items):
            content = processes[number % jobs].read(size_bytes)
            yield item, np.frombuffer(content, np.uint8).reshape(shape)


class _Drawer:
    def __init__(self, geometry: Geometry, recipes: Sequence[str]) -> None:
        self._task = json.dumps([geometry.height, geometry.width, geometry.channels, geometry.mode.value, recipes])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def __enter__(self) -> _Drawer:
        # A process that died is told by its missing pixels.
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(self._task.encode())
                self._process.stdin.close()
        except OSError:
            pass
        return self

    def read(self, size_bytes: int) -> bytes:
        content = self._process.stdout.read(size_bytes) if self._process.stdout is not None else b""
        if len(content) != size_bytes:
            code = self._process.wait()
            raise DataError(f"a process that draws generated images ended early (exit code {code}); run again")
        return content

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()


def _main() -> None:
    height, width, channels, mode, recipes = json.load(sys.stdin)
    geometry = Geometry(height, width, channels, ResizeMode(mode))
    for recipe in recipes:
        sys.stdout.buffer.write(np.ascontiguousarray(draw(recipe, geometry)).data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
