"""The lock of a device without a keeper on it: the same file as a keeper's, held by a shell there.

It ends with the connection, as a keeper's does. A device without ``flock`` has no lock, as one has with no keeper.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Mapping
from typing import Any

from ..errors import DeviceLost, DeviceRefused
from .remote_start import MARK
from .transport import Stream, Transport

_PATIENCE_S = 30.0
# A Korn shell, as Android's is, keeps its open files from the programs that it starts, unless a command names them.
_HOLD = rf"""
command -v flock >/dev/null 2>&1 || {{ echo; echo {MARK}; echo none; exit 0; }}
for folder in "${{TMPDIR:-/tmp}}" /data/local/tmp; do [ -w "$folder" ] && break; done
lock=$folder/edgebench.lock
umask 0
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  {{ [ ! -L "$lock" ] && (: >> "$lock") 2>/dev/null; }} || {{ echo; echo {MARK}; echo none; exit 0; }}
  exec 9<>"$lock"
  if ! flock -n 9 9<&9; then echo; echo {MARK}; echo "held $(cat "$lock")"; exit 0; fi
  [ "$lock" -ef /proc/$$/fd/9 ] && break  # else its last holder removed it between our two steps
done
printf '%s' "$1" > "$lock"
echo; echo {MARK}; echo taken
cat >/dev/null
rm -f "$lock"
"""


class ShellLock:
    """Keeps other runs from a device until it is released, or the connection ends."""

    def __init__(self) -> None:
        self._stream: Stream | None = None

    def take(self, transport: Transport, holder: Mapping[str, Any]) -> None:
        """Take the lock, and write down who has it.

        Raises:
            DeviceRefused: another run has it.
            DeviceLost: the connection went.
        """
        if self._stream is not None:
            return
        heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        stream = transport.open(["sh", "-c", _HOLD, "sh", json.dumps(dict(holder))], heard.put)
        said = _answer(heard, transport.address)
        if said == "taken":
            self._stream = stream
            return
        stream.close()
        if said.startswith("held"):
            raise DeviceRefused(
                f"{transport.address}: it is in use by {_who(said.removeprefix('held'))}; try again when that has ended"
            )

    @property
    def held(self) -> bool:
        """Whether others are kept away: a device without ``flock`` cannot do it."""
        return self._stream is not None

    def release(self) -> None:
        """Let others have it. May be called twice."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


def _answer(heard: queue.SimpleQueue[bytes | None], address: str) -> str:
    """Return the line behind the mark; what a login shell says comes before."""
    said = b""
    mark = f"\n{MARK}\n".encode()
    while True:
        try:
            piece = heard.get(timeout=_PATIENCE_S)
        except queue.Empty:
            raise DeviceLost(f"{address}: no answer within {_PATIENCE_S:g} s") from None
        said += piece or b""
        line, end, _ = said.partition(mark)[2].partition(b"\n")
        if end:
            return line.decode("utf-8", "replace").strip()
        if piece is None:
            raise DeviceLost(f"{address}: the connection was lost")


def _who(text: str) -> str:
    try:
        told = json.loads(text)
        since = f" since {told['since_utc']}" if told.get("since_utc") else ""
        return f"{told['who']} ({told['what']}){since}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "somebody who left no name"
