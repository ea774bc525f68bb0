"""What libraries write to file descriptor 2 while something is done: some reasons are told nowhere else."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import contextmanager
from typing import Iterator, List


@contextmanager
def overheard() -> Iterator[List[str]]:
    """Yield a list that holds, once the block is left, the text written to file descriptor 2 meanwhile.

    The text arrives where descriptor 2 leads all the same: at once where that is a file which can be read again (then a
    crash loses nothing), after the block elsewhere.
    """
    said: List[str] = []
    if _can_be_read_again(2):
        start = os.fstat(2).st_size
        try:
            yield said
        finally:
            said.append(_text(2, start))
        return
    real = os.dup(2)
    try:
        with tempfile.TemporaryFile() as kept:
            os.dup2(kept.fileno(), 2)
            try:
                yield said
            finally:
                os.dup2(real, 2)
                said.append(_text(kept.fileno(), 0))
                _write_all(real, said[0].encode("utf-8", "replace"))
    finally:
        os.close(real)


def _can_be_read_again(descriptor: int) -> bool:
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    return regular and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def _text(descriptor: int, start: int) -> str:
    # pread, since others share this descriptor and with it the place where they write.
    length = max(0, os.fstat(descriptor).st_size - start)
    return os.pread(descriptor, length, start).decode("utf-8", "replace")


def _write_all(descriptor: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        pass  # whoever listened there is gone
