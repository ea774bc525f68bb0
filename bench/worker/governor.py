"""Setting the clock governor of all CPUs, and putting back what was set before, whatever happens meanwhile.

Sources: kernel documentation, admin-guide/pm/cpufreq (policies, ``scaling_governor``).

What was set before is written down, with the boot that it belongs to, before anything is changed: where nobody is left
to put it back (SIGKILL, power), the next one to come does that. A reboot does it by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

from .refusal import Refusal
from .tree import Tree, Unreadable

_CPUS = "/sys/devices/system/cpu"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_FILE = "scaling_governor"
_CHOICES = "scaling_available_governors"
#: sudo asks nobody (-n), and writes a line to a file in less.
_SUDO_S = 10.0
#: tee passes a line on before it writes the file.
_LOOKS, _LOOK_S = 100, 0.02
#: What a person can type who has to do it by hand.
_BY_HAND = "echo %s | sudo tee %s/cpu*/cpufreq/scaling_governor"


class Left(NamedTuple):
    """What a run that ended without putting it back had set, and what each file held before."""

    name: str
    previous: Dict[str, str]


def policies(tree: Tree) -> List[str]:
    """Return the folders of the clock policies; CPUs that share a clock share one.

    Raises:
        Refusal: this machine lets nobody choose.
    """
    for folder, pattern, inner in ((_CPUS + "/cpufreq", r"policy\d+", ""), (_CPUS, r"cpu\d+", "/cpufreq")):
        try:
            found = ["%s/%s%s" % (folder, name, inner) for name in tree.names(folder, pattern)]
        except Unreadable:
            continue
        found = [place for place in found if tree.has("%s/%s" % (place, _FILE))]
        if found:
            return found
    raise _refusal("this device has no governor that could be set (%s/cpufreq): leave it out" % _CPUS)


def current(tree: Tree) -> Dict[str, str]:
    """Return the governor of each policy by its file. Raises Refusal where there are none."""
    found = {}
    for folder in policies(tree):
        path = "%s/%s" % (folder, _FILE)
        try:
            found[path] = tree.text(path)
        except Unreadable as error:
            raise _refusal(str(error)) from error
    return found


class GovernorSwitch:
    """Sets a governor and puts the old ones back. ``state_path`` is the file that both are written down in.

    One process at a time holds it: another one would take the first one's governor for what was there before.
    """

    def __init__(self, state_path: str, root: str = "/") -> None:
        self._state_path = state_path
        self._root = root
        self._state = -1
        self._writers: Dict[str, _Writer] = {}
        self.previous: Dict[str, str] = {}

    def set(self, name: str) -> Dict[str, str]:
        """Set the governor of all policies and return what those that had another one had, by their file.

        Raises:
            Refusal: there is no such governor, it may not be set, or another run has set one; nothing is changed then.
        """
        try:
            self._open()
            self.put_back_left()
            before = current(Tree(self._root))
            self._check(name)
            changing = {path: old for path, old in before.items() if old != name}
            if changing:
                # In this order: whatever happens from here on, somebody knows what was there.
                self._write_down(Left(name, changing))
                self.previous = changing
                self._put_all(dict.fromkeys(changing, name))
            else:
                self.restore()
            return dict(changing)
        except Refusal:
            self.restore()
            raise

    def restore(self) -> List[str]:
        """Put back what was there before and return a line for each file where that failed. May be called twice."""
        previous, self.previous = self.previous, {}
        trouble = self._put_back(previous)
        if previous and not trouble:
            self._forget()
        self._let_go()
        return trouble

    def put_back_left(self) -> Optional[Left]:
        """Put back what a run that was killed has left, and return that; None where there is nothing.

        A policy that somebody has set to something else since is left alone.
        """
        left = self._written_down()
        if left is None:
            return None
        # Only files that are such: what is written down here may be anybody's.
        now = current(Tree(self._root))
        changed = {path: old for path, old in left.previous.items() if now.get(path) == left.name}
        trouble = self._put_back(changed)
        if trouble:
            raise _refusal("a run that was killed has left %s: %s" % (left.name, trouble[0]))
        self._forget()
        return left if changed else None

    def recover(self) -> Optional[Left]:
        """Do that where nobody sets a governor now, and let go of it again.

        Raises:
            Refusal: it cannot be put back.
        """
        try:
            if not os.path.getsize(self._state_path):
                return None
            self._open()
        except (OSError, Refusal):
            return None  # there is none, or that run is still going
        try:
            return self.put_back_left()
        finally:
            self._let_go()

    def _put_all(self, names: Dict[str, str]) -> None:
        try:
            for path, name in names.items():
                self._put(path, name)
        except Refusal as refusal:
            by_hand = _BY_HAND % (name, _CPUS)
            hint = "run edgebench as root, let sudo do it without a password, or set it by hand: %s" % by_hand
            raise _refusal("%s; %s" % (refusal, hint)) from None

    def _let_go(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        self._close()

    def _check(self, name: str) -> None:
        for folder in policies(Tree(self._root)):
            try:
                choices = Tree(self._root).text("%s/%s" % (folder, _CHOICES)).split()
            except Unreadable:
                continue  # the kernel itself will say no
            if name not in choices:
                raise _refusal("there is no such governor here; choose %s" % ", ".join(choices))

    def _put_back(self, previous: Dict[str, str]) -> List[str]:
        trouble = []
        now = _readable(Tree(self._root), previous)
        for path, old in previous.items():
            if now.get(path) == old:
                continue
            try:
                self._put(path, old)
            except Refusal as refusal:
                trouble.append(str(refusal))
        return trouble

    def _put(self, path: str, name: str) -> None:
        """Write one file and look whether the kernel has taken it. Raises Refusal."""
        place = os.path.join(self._root, path.lstrip("/"))
        if path not in self._writers:
            self._writers[path] = _Writer(path, place)
        self._writers[path].write(name)
        found = None
        for _ in range(_LOOKS):
            found = _readable(Tree(self._root), [path]).get(path)
            if found == name:
                return
            time.sleep(_LOOK_S)
        raise _refusal("%s: the kernel did not take %s, it is %s" % (path, name, found))

    def _open(self) -> None:
        """Take the file of what is set. Raises Refusal where another process has it."""
        if self._state >= 0:
            return
        try:
            os.makedirs(os.path.dirname(self._state_path), mode=0o700, exist_ok=True)
            self._state = os.open(self._state_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _refusal("%s: %s" % (self._state_path, error.strerror or error)) from error
        try:
            fcntl.flock(self._state, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            raise _refusal("another run has set one; wait until it has ended") from None
        except OSError:
            pass  # a file system without locks

    def _close(self) -> None:
        if self._state >= 0:
            os.close(self._state)
            self._state = -1

    def _write_down(self, left: Left) -> None:
        content = {"name": left.name, "previous": left.previous, "boot": self._boot()}
        try:
            os.ftruncate(self._state, 0)
            os.pwrite(self._state, json.dumps(content).encode("utf-8"), 0)
            os.fsync(self._state)
        except OSError as error:
            self._close()
            raise _refusal("%s: %s; nothing was changed" % (self._state_path, error.strerror or error)) from error

    def _written_down(self) -> Optional[Left]:
        try:
            content: Any = json.loads(os.pread(self._state, 1 << 20, 0).decode("utf-8"))
            if content["boot"] != self._boot():
                return None  # that boot is over, and with it what was set
            return Left(str(content["name"]), {str(path): str(old) for path, old in content["previous"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # empty, or cut short before anything was changed

    def _forget(self) -> None:
        with contextlib.suppress(OSError):  # what it says is put back already: to do that again changes nothing
            os.ftruncate(self._state, 0)

    def _boot(self) -> str:
        try:
            return Tree(self._root).text(_BOOT_ID)
        except Unreadable:
            return "unknown"


class _Writer:
    """Writes one file of the kernel, itself or through sudo.

    The program that sudo starts stays until :meth:`close`: sudo may want a password again by the time that the old
    governor is put back.
    """

    def __init__(self, path: str, place: str) -> None:
        self._path = path
        self._place = place
        self._tee: Optional["subprocess.Popen[bytes]"] = None

    def write(self, name: str) -> None:
        """Write a line. Raises Refusal."""
        if self._tee is None:
            try:
                descriptor = os.open(self._place, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
                try:
                    os.write(descriptor, _line(name))
                finally:
                    os.close(descriptor)
                return
            except PermissionError as error:
                self._start(error)
            except OSError as error:
                raise _refusal("%s: %s" % (self._path, error.strerror or error)) from error
        self._pass_on(name)

    def close(self) -> None:
        """End the program, where there is one."""
        if self._tee is None:
            return
        tee, self._tee = self._tee, None
        for pipe in (tee.stdin, tee.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            tee.wait(_SUDO_S)
        except subprocess.TimeoutExpired:
            tee.kill()
            tee.wait()

    def _start(self, error: OSError) -> None:
        try:
            self._tee = subprocess.Popen(
                ["sudo", "-n", "tee", "-i", self._place],  # -i: a Ctrl-C is not for it
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError:
            raise _refusal("%s: %s, and there is no sudo" % (self._path, error.strerror or error)) from error

    def _pass_on(self, name: str) -> None:
        """Give it a line and wait for its echo, which comes once the line is written."""
        tee = self._tee
        line = _line(name)
        if tee is None or tee.stdin is None or tee.stdout is None:
            raise _refusal("%s: there is no program to write it" % self._path)
        try:
            tee.stdin.write(line)
            echo = tee.stdout.readline()
        except OSError:
            echo = b""
        if echo != line:
            raise _refusal("%s: this user may not set it, nor does sudo without a password" % self._path)


def _line(name: str) -> bytes:
    return name.encode("utf-8") + b"\n"


def _readable(tree: Tree, paths: Iterable[str]) -> Dict[str, str]:
    found = {}
    for path in paths:
        try:
            found[path] = tree.text(path)
        except Unreadable:
            continue
    return found


def _refusal(reason: str) -> Refusal:
    return Refusal("governor", reason)
