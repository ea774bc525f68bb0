"""One run at a time on a device: a lock that ends with the process that holds it, and names it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import tempfile
import time
from typing import Any, Dict, Optional

from .refusal import Refusal

_NAME = "edgebench.lock"
#: Anybody can put something into a temporary folder: a link to a file of ours, which would be emptied, or a pipe.
_WARILY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
#: It has workers to kill before it ends.
_END_S = 10.0


class DeviceLock:
    """The lock of this machine, in its temporary folder: runs of different users must not measure at once either."""

    def __init__(self, folder: Optional[str] = None) -> None:
        self.path = os.path.join(folder or tempfile.gettempdir(), _NAME)
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._descriptor >= 0

    def take(self, holder: Dict[str, Any]) -> None:
        """Take the lock and write down who has it.

        A process that holds it under the same ``token`` is what a lost connection of this same run has left: it is
        ended first.

        Raises:
            Refusal: ``in-use``, naming the holder, or ``lock`` where there can be no lock.
        """
        if self.held:
            return
        self._end_forerunner(holder.get("token"))
        for _ in range(10):
            descriptor = self._opened()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise Refusal(
                    "in-use", "it is in use %s; try again when that has ended" % _who(self.holder())
                ) from None
            if self._is(descriptor):
                self._descriptor = descriptor
                self._write(holder)
                return
            os.close(descriptor)  # its last holder removed it between our two steps
        raise Refusal("lock", "%s: cannot be locked: others keep removing it" % self.path)

    def holder(self) -> Optional[Dict[str, Any]]:
        """Return who holds the lock now, as that run wrote it down; None where it is free."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _WARILY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return _told(os.read(descriptor, 1 << 16))
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let others have it, and leave no file behind. May be called twice."""
        if not self.held:
            return
        with contextlib.suppress(OSError):  # another user's file: unlocking is enough
            os.unlink(self.path)
        os.close(self._descriptor)
        self._descriptor = -1

    def _end_forerunner(self, token: Optional[str]) -> None:
        """End the process that holds the lock for the same run, and wait until it has."""
        told = self.holder() or {}
        if not token or told.get("token") != token or not isinstance(told.get("pid"), int):
            return
        try:
            os.kill(told["pid"], signal.SIGTERM)
        except OSError:
            return
        deadline = time.monotonic() + _END_S
        while time.monotonic() < deadline and (self.holder() or {}).get("token") == token:
            time.sleep(0.05)

    def _opened(self) -> int:
        for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_RDONLY):
            try:
                descriptor = os.open(self.path, flags | _WARILY, 0o666)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EPERM) and flags != os.O_RDONLY:
                    continue  # another user's file
                raise Refusal("lock", "%s: cannot be opened: %s" % (self.path, error.strerror)) from error
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, 0o666)  # whatever the umask: other users must be able to lock it, too
            return descriptor
        raise Refusal("lock", "%s: cannot be made" % self.path)

    def _is(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(descriptor))
        except OSError:
            return False

    def _write(self, holder: Dict[str, Any]) -> None:
        try:
            os.ftruncate(self._descriptor, 0)
            told = dict(holder, pid=os.getpid())
            os.pwrite(self._descriptor, json.dumps(told).encode("utf-8"), 0)
        except OSError:
            pass  # a full disk, or another user's file: the lock holds without a name


def _told(text: bytes) -> Dict[str, Any]:
    try:
        found = json.loads(text.decode("utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _who(holder: Optional[Dict[str, Any]]) -> str:
    told = holder or {}
    who = told.get("who") or "by somebody who left no name"
    since = " since %s" % told["since_utc"] if told.get("since_utc") else ""
    what = " (%s)" % told["what"] if told.get("what") else ""
    return "%s%s%s" % (who if who.startswith("by ") else "by %s" % who, what, since)
