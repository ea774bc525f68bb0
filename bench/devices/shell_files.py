"""Files for a device that has nothing of ours on it: POSIX shell commands alone, as phones have them too.

They lie where a keeper puts them, by the hash of their content, so that neither sends what the other has sent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import DeviceRefused
from .remote_start import MARK, ROOT_OF, after_mark
from .shell_folder import CLAIM
from .transport import Finished, Transport

#: Sent in pieces: a connection that is lost costs one, and a phone need not hold a model in memory.
_PIECE_BYTES = 4 << 20
_STEP_S = 60.0
_SEND_S = 300.0

_STATE = rf"""
echo; echo {MARK}
hash_of() {{ if command -v sha256sum >/dev/null 2>&1; then sha256sum < "$1" | cut -c1-64; else echo "$2"; fi; }}
if [ -f "$1" ]; then echo "whole=$(wc -c < "$1") $(hash_of "$1" "$3")"; fi
if [ -f "$2" ]; then echo "part=$(wc -c < "$2")"; fi
"""
_APPEND = r"""
umask 077
mkdir -p "$1" "$2" || exit 1
cat >> "$3" || exit 1
"""
_KEEP = rf"""
echo; echo {MARK}
size=$(wc -c < "$1") || exit 1
hash=$3
if command -v sha256sum >/dev/null 2>&1; then hash=$(sha256sum < "$1" | cut -c1-64); fi
if [ "$size" -ne "$4" ] || [ "$hash" != "$3" ]; then rm -f "$1"; echo damaged; exit 0; fi
{{ [ -z "$5" ] || chmod "$5" "$1"; }} && mv "$1" "$2" && echo kept
"""
_READ = rf"""
echo; echo {MARK}
[ -f "$1" ] && cat "$1"
exit 0
"""
_WRITE = r"""
umask 077
cat > "$1.part" && mv "$1.part" "$1"
"""
_ROOT = rf"""
echo; echo {MARK}
umask 077
{ROOT_OF}
{CLAIM}
claim "$root" && cd "$root" && pwd
"""


class ShellFiles:
    """Sends files and reads them. ``sent_bytes`` went there, ``reused_bytes`` were there already."""

    def __init__(self, transport: Transport, folder: str) -> None:
        """``folder`` is where everything lies there, relative to the home folder."""
        self.transport = transport
        self._folder = folder
        self._root: str | None = None
        self.sent_bytes = 0
        self.reused_bytes = 0
        #: Hears how many bytes of a file are there, and of how many.
        self.on_sent: Callable[[int, int], None] | None = None

    @property
    def root(self) -> str:
        """The folder's path there, which is made where it is not there yet. Raises DeviceRefused, DeviceLost."""
        if self._root is None:
            done = self._run(_ROOT, self._folder)
            said = after_mark(done.stdout)
            if done.status != 0 or not said or not said[-1].startswith("/"):
                raise self._refused(f"the folder {self._folder} cannot be made there", done)
            self._root = said[-1]
        return self._root

    def push(self, path: Path, sha256: str) -> str:
        """Send a file unless it is there, and return its path there.

        It is known by its hash where the device can compute one, else by its size.

        Raises:
            DeviceRefused: it cannot be written there, or what arrives is another thing each time.
            DeviceLost: the connection went; the next attempt goes on where this one ended.
            OSError: it cannot be read here.
        """
        return self._push(path, sha256, f"{self.root}/files/{sha256}")

    def install(self, path: Path, sha256: str, name: str) -> str:
        """Send a program that has a name of its own in our folder, and return its path there.

        What had that name stays until all of the new one is there. Raises as :meth:`push`.
        """
        return self._push(path, sha256, f"{self.root}/{name}", "700")

    def has(self, path: Path, sha256: str, name: str) -> bool:
        """Return whether a file's content lies in our folder by a name. Raises DeviceLost, DeviceRefused, OSError."""
        there = self._state(f"{self.root}/{name}", "", sha256)
        return there.get("whole") == f"{path.stat().st_size} {sha256}"

    def move(self, name: str, to: str) -> None:
        """Give a file in our folder another name, in one step. Raises DeviceLost, DeviceRefused."""
        done = self._run('mv "$1" "$2"', f"{self.root}/{name}", f"{self.root}/{to}")
        if done.status != 0:
            raise self._refused(f"{self.root}/{to} cannot be written there", done)

    def write(self, path: str, content: bytes) -> None:
        """Write a small file there, in one step. Raises DeviceLost, DeviceRefused."""
        done = self._run(_WRITE, path, given=content)
        if done.status != 0:
            raise self._refused(f"{path} cannot be written there", done)

    def _push(self, path: Path, sha256: str, place: str, mode: str = "") -> str:
        size = path.stat().st_size
        parts = f"{self.root}/parts"
        part = f"{parts}/{sha256}"
        for _ in range(2):
            there = self._state(place, part, sha256)
            if there.get("whole") == f"{size} {sha256}":
                self.reused_bytes += size
                return place
            begun = int(there.get("part", "0"))
            self._send(path, (place.rpartition("/")[0], parts), part, begun if begun <= size else None)
            if self._kept(part, place, sha256, size, mode):
                return place
        raise DeviceRefused(f"{self.transport.address}: {path.name} arrives damaged there; look at its disk")

    def read(self, path: str) -> bytes:
        """Return a file's content there, empty where there is none. Raises DeviceLost, DeviceRefused."""
        done = self._run(_READ, path)
        _, mark, content = done.stdout.partition(f"\n{MARK}\n".encode())
        if done.status != 0 or not mark:
            raise self._refused(f"{path} cannot be read there", done)
        return content

    def allow_running(self, path: str) -> None:
        """Make a file of ours one that may be run. Raises DeviceLost, DeviceRefused."""
        done = self._run('chmod 700 "$1"', path)
        if done.status != 0:
            raise self._refused(f"{path} cannot be made a program there", done)

    def make_folder(self, path: str) -> None:
        """Make a folder there, for us alone. Raises DeviceLost, DeviceRefused."""
        done = self._run('umask 077; mkdir -p "$1"', path)
        if done.status != 0:
            raise self._refused(f"{path} cannot be made there", done)

    def remove(self, path: str) -> None:
        """Remove a file or folder of ours there. Raises DeviceLost, DeviceRefused."""
        self._run('rm -rf "$1"', path)

    def _state(self, place: str, part: str, sha256: str) -> dict[str, str]:
        said = after_mark(self._run(_STATE, place, part, sha256).stdout)
        found = (line.partition("=") for line in said)
        return {name: " ".join(value.split()) for name, _, value in found}

    def _send(self, path: Path, folders: tuple[str, str], part: str, begun: int | None) -> None:
        if begun is None:
            self._run('rm -f "$1"', part)
        have, size = begun or 0, path.stat().st_size
        with path.open("rb") as file:
            file.seek(have)
            self.reused_bytes += have
            for piece in iter(lambda: file.read(_PIECE_BYTES), b""):
                done = self._run(_APPEND, *folders, part, given=piece, timeout_s=_SEND_S)
                if done.status != 0:
                    raise self._refused(f"{path.name} cannot be written there", done)
                self.sent_bytes += len(piece)
                have += len(piece)
                if self.on_sent is not None:
                    self.on_sent(have, size)

    def _kept(self, part: str, place: str, sha256: str, size: int, mode: str) -> bool:
        done = self._run(_KEEP, part, place, sha256, str(size), mode, timeout_s=_SEND_S)
        said = after_mark(done.stdout)
        if done.status != 0 or not said:
            raise self._refused(f"{place} cannot be written there", done)
        return said[-1] == "kept"

    def _run(self, script: str, *words: str, given: bytes = b"", timeout_s: float = _STEP_S) -> Finished:
        return self.transport.run(["sh", "-c", script, "sh", *words], given=given, timeout_s=timeout_s)

    def _refused(self, what: str, done: Finished) -> DeviceRefused:
        return DeviceRefused(f"{self.transport.address}: {what}: {done.last_words or 'no reason given'}")
