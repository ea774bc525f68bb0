"""Files on the device under the hash of their content: sent once, gone on with after a cut, checked before use."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from typing import Any, Dict, List, Optional

from .refusal import Refusal

#: What makes a folder ours: nothing is removed where this file is missing.
MARKER = "edgebench-device-folder"
_FILES, _PARTS = "files", "parts"
#: Everything that is put below the root, beside the worker's program.
_OURS = (_FILES, _PARTS, "scratch", "env", "env.new", "env.old", "governor.json", MARKER)
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_CHUNK_BYTES = 1 << 20


class FileStore:
    """The files below ``root``, and the one that is being sent."""

    def __init__(self, root: str) -> None:
        """Make the folders.

        Raises:
            Refusal: ``not-ours``, where ``root`` has somebody else's things under our names.
            OSError: they cannot be made.
        """
        self.root = root
        self._used: List[str] = []
        self._part: Optional[_Part] = None
        self._trouble: Optional[Refusal] = None
        os.makedirs(root, mode=0o700, exist_ok=True)
        _mark(root)  # first: what is made after it is ours, whenever this process ends
        for folder in (_FILES, _PARTS):
            os.makedirs(os.path.join(root, folder), mode=0o700, exist_ok=True)

    def path(self, digest: str) -> str:
        """Return where a file lies, or would."""
        if not _DIGEST.match(digest):
            raise Refusal("protocol", "not a SHA-256: %r" % digest)
        return os.path.join(self.root, _FILES, digest)

    def begin(self, digest: str, size_bytes: int) -> Dict[str, Any]:
        """Return ``path`` where the file is there, else ``have_bytes``: how much of it is, so where to go on.

        Raises:
            Refusal: ``no-space``, where it cannot fit.
        """
        path = self.path(digest)
        self._used.append(digest)
        if os.path.exists(path):
            if os.path.getsize(path) == size_bytes:
                os.utime(path)  # what was used last is removed last
                return {"path": path}
            os.unlink(path)  # the power went before all of it was on the disk
        self._close()
        part = os.path.join(self.root, _PARTS, digest)
        have = os.path.getsize(part) if os.path.exists(part) else 0
        if have > size_bytes:
            os.unlink(part)
            have = 0
        free = shutil.disk_usage(self.root).free
        if size_bytes - have > free:
            raise _no_space(self.root, size_bytes - have)
        self._part, self._trouble = _Part(part, digest), None
        return {"have_bytes": have}

    def chunk(self, data: bytes) -> None:
        """Add bytes to the file that is being sent; trouble is told by :meth:`end`."""
        if self._part is None or self._trouble is not None:
            return
        try:
            self._part.write(data)
        except OSError as error:
            self._trouble = _refused(error, self.root, len(data))
            self._close()

    def end(self) -> Dict[str, Any]:
        """Check the whole file and put it in its place.

        Raises:
            Refusal: ``no-space``, ``disk``, or ``corrupt`` where it is not what was announced; it is gone then.
        """
        if self._trouble is not None:
            raise self._trouble
        if self._part is None:
            raise Refusal("protocol", "no file is being sent")
        part, self._part = self._part, None
        found = part.close()
        if found != part.digest:
            os.unlink(part.path)
            raise Refusal("corrupt", "a file arrived damaged (SHA-256 %s...)" % found[:12])
        path = self.path(part.digest)
        os.replace(part.path, path)
        return {"path": path}

    def trouble(self) -> None:
        """Raise what has gone wrong with the file that is being sent, if anything has."""
        if self._trouble is not None:
            raise self._trouble

    def evict(self, limit_bytes: int, ended: bool = False) -> Dict[str, Any]:
        """Remove the files that were not used for longest until all take at most so much.

        Those in use stay, unless the run that uses them has ``ended``.
        """
        entries = sorted(self._entries(), key=lambda entry: entry[2])
        total, removed = sum(size for _, size, _ in entries), 0
        for path, size, _ in entries:
            if total <= limit_bytes:
                break
            if os.path.basename(path) in self._used and not ended:
                continue
            os.unlink(path)
            total, removed = total - size, removed + size
        return {"kept_bytes": total, "removed_bytes": removed}

    def usage(self) -> Dict[str, Any]:
        """Return how much lies below the root, and how much of it are files, sent or half sent."""
        files = sum(size for _, size, _ in self._entries())
        return {"root": self.root, "total_bytes": tree_bytes(self.root), "files_bytes": files}

    def remove(self, only_files: bool = False) -> Dict[str, Any]:
        """Remove everything of ours, or the files alone, and return ``removed_bytes``.

        ``left`` are the names of others' files there, which stay: the folder may be one that somebody had before.

        Raises:
            Refusal: ``not-ours``, where the folder has not our mark; ``disk``, where something cannot be removed.
        """
        if not os.path.exists(os.path.join(self.root, MARKER)):
            raise Refusal("not-ours", "%s has no file %s: nothing is removed there" % (self.root, MARKER))
        self._close()
        ours = [name for name in os.listdir(self.root) if _is_ours(name)]
        names = [_FILES, _PARTS] if only_files else sorted(ours, key=lambda name: name == MARKER)  # our mark goes last
        removed = 0
        for path in (os.path.join(self.root, name) for name in names):
            removed += tree_bytes(path) if os.path.isdir(path) else os.lstat(path).st_size
            _remove(path)
            if only_files:
                os.makedirs(path, mode=0o700)
        left = [] if only_files else sorted(os.listdir(self.root))
        if not only_files and not left:
            os.rmdir(self.root)
        return {"removed_bytes": removed, "left": left}

    def _entries(self) -> List[Any]:
        found = []
        for name in (_FILES, _PARTS):
            for entry in os.scandir(os.path.join(self.root, name)):
                told = entry.stat(follow_symlinks=False)
                found.append((entry.path, told.st_size, told.st_mtime))
        return found

    def _close(self) -> None:
        """Forget the file that is being sent; what has come of it stays, to go on with."""
        if self._part is not None:
            part, self._part = self._part, None
            part.close()


class _Part:
    """A file on its way, and the hash of what has come of it."""

    def __init__(self, path: str, digest: str) -> None:
        self.path = path
        self.digest = digest
        self._hash = hashlib.sha256()
        if os.path.exists(path):
            with open(path, "rb") as file:
                for data in iter(lambda: file.read(_CHUNK_BYTES), b""):
                    self._hash.update(data)
        self._file = open(path, "ab")  # noqa: SIM115 - closed in close()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)

    def close(self) -> str:
        try:
            # A name must not outlive a loss of power that its content does not: nobody hashes it again.
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError:  # a full disk: the buffer's rest is lost, and the hash tells
            return "incomplete"
        return self._hash.hexdigest()


def _mark(root: str) -> None:
    """Write down that the folder is ours, unless that stands there."""
    marker = os.path.join(root, MARKER)
    if os.path.exists(marker):
        return
    others = sorted(name for name in os.listdir(root) if name in _OURS)
    if others:
        raise Refusal(
            "not-ours",
            "%s has something of others called %s, which would get lost; name another folder, or a new one inside of it"
            % (root, " and ".join(others)),
        )
    with open(marker, "w", encoding="ascii") as file:
        file.write("edgebench keeps what it needs on this device here; remove it with: edgebench device clean\n")


def _is_ours(name: str) -> bool:
    return name in _OURS or (name.startswith("worker-") and name.endswith((".pyz", ".pyz.part")))


def _remove(path: str) -> None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except OSError as error:
        raise Refusal("disk", "%s cannot be removed: %s" % (path, error.strerror)) from error


def tree_bytes(folder: str) -> int:
    """Return the sum of the sizes of all files below a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue  # it was removed meanwhile
    return total


def _refused(error: OSError, root: str, size_bytes: int) -> Refusal:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space(root, size_bytes)
    return Refusal("disk", "%s: cannot be written to: %s" % (root, error.strerror))


def _no_space(root: str, size_bytes: int) -> Refusal:
    free = shutil.disk_usage(root).free
    return Refusal(
        "no-space",
        "its disk is full: %.1f MB more are needed in %s and %.1f MB are free; make room there, or name another "
        "folder" % (size_bytes / 1e6, root, free / 1e6),
    )
