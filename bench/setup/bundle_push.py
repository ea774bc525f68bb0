"""Puts a bundle onto a device that may have no Python: POSIX shell commands, as a phone's toybox and mksh know them.

It is sent in pieces, so that after a cut it goes on where it was; unpacked beside its place, checked file by file by
its own Python, and moved there in one step.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..devices.remote_start import BUNDLE, MARK, ROOT_OF, after_mark, root_of
from ..devices.shell_folder import CLAIM
from ..devices.transport import Finished, Transport
from ..errors import DeviceRefused
from .bundle_file import LAUNCHER, Bundle

#: As in an environment that a board has: what it was made with.
MADE_WITH = "edgebench.json"
_NEW, _OLD = f"{BUNDLE}.new", f"{BUNDLE}.old"
_MARGIN = 1.05
_PIECE_BYTES = 1 << 22
_STEP_S = 120.0
#: A small board unpacks some 2 MB a second, and so does an emulated one.
_BYTES_A_SECOND = 5e5
_DAMAGED = 8
#: What a kernel, Android's shell and toybox say of a program for another processor.
_OTHER_PROCESSOR = ("exec format error", "not executable: ")

_LOOK = rf"""
echo; echo {MARK}
{ROOT_OF}
echo "home=$HOME"
echo "machine=$(uname -m 2>/dev/null)"
for name in tar gzip; do command -v $name >/dev/null 2>&1 && echo "$name=yes"; done
sed -n 's/^ *"bundle": "\([0-9a-f]*\)".*/bundle=\1/p' "$root/{BUNDLE}/{MADE_WITH}" 2>/dev/null
[ -x "$root/{BUNDLE}/{LAUNCHER}" ] && echo runs=yes
place=$root
while [ -n "$place" ] && [ ! -d "$place" ]; do place=${{place%/*}}; done
df -k "${{place:-/}}" 2>/dev/null | tail -n 1 | sed 's/^/df=/'
exit 0
"""
_BEGIN = rf"""
echo; echo {MARK}
umask 077
{CLAIM}
claim "$1" || exit 1
mkdir -p "$1/parts" || exit 1
touch "$1/parts/$2" || exit 1
wc -c < "$1/parts/$2"
"""
_APPEND = rf"""
[ "$(wc -c < "$1")" -eq "$2" ] || {{ echo 'the part that has arrived has changed meanwhile' >&2; exit {_DAMAGED}; }}
cat >> "$1" || exit 1
[ "$(wc -c < "$1")" -eq "$3" ] || {{ echo "only $(wc -c < "$1") of $3 bytes were written" >&2; exit 1; }}
"""
#: Where no /bin/sh is, as on an old Android, the launcher is told where the shell is: nobody else can start it then.
_UNPACK = rf"""
umask 077
cd "$1" || exit 1
rm -rf {_NEW} && mkdir {_NEW} || exit 1
unpacked() {{ tar -x -f - -C {_NEW}; }}
if [ "$3" = gzip ]; then gzip -dc < "parts/$2" | unpacked; else unpacked < "parts/$2"; fi || exit 1
if [ ! -x /bin/sh ]; then
  {{ echo "#!$(command -v sh)"; sed 1d {_NEW}/{LAUNCHER}; }} > {_NEW}/launcher || exit 1
  chmod 755 {_NEW}/launcher && mv {_NEW}/launcher {_NEW}/{LAUNCHER} || exit 1
fi
cat > {_NEW}/{MADE_WITH}
"""
#: The launcher's first line is the device's own.
_CHECK = r"""
import hashlib, json, os, sys
folder, launcher = sys.argv[1:]
with open(os.path.join(folder, "manifest.json"), "rb") as file:
    files = json.load(file)["files"]
for name in sorted(files):
    with open(os.path.join(folder, name), "rb") as file:
        content = file.read()
    if name == launcher:
        content = b"#!/bin/sh\n" + content.partition(b"\n")[2]
    if hashlib.sha256(content).hexdigest() != files[name]:
        sys.exit("damaged: " + name)
print("checked=%d" % len(files))
"""
_SWAP = rf"""
cd "$1" || exit 1
rm -rf {_OLD} || exit 1
sync  # a loss of power must not leave a whole-looking one with empty files
[ ! -e {BUNDLE} ] || mv {BUNDLE} {_OLD} || exit 1
mv {_NEW} {BUNDLE} || {{ mv {_OLD} {BUNDLE}; exit 1; }}
rm -rf {_OLD} "parts/$2"
"""
_FORGET = rf'cd "$1" && rm -rf {_NEW} && {{ [ -z "$2" ] || rm -f "parts/$2"; }}'
_REMOVE = rf'cd "$1" && rm -rf {BUNDLE} {_NEW} {_OLD}'


@dataclass(frozen=True)
class Place:
    """Where a bundle would lie. ``installed`` is the SHA-256 of the one that lies there, ``runs`` whether one can.

    ``machine`` is the kernel's name for its processor, ``free_bytes`` the room on its disk, None where it is not told.
    """

    root: str
    machine: str
    has_tar: bool
    has_gzip: bool
    installed: str | None
    runs: bool
    free_bytes: int | None

    @property
    def python(self) -> str:
        """The program that starts its Python."""
        return f"{self.root}/{BUNDLE}/{LAUNCHER}"


def look(transport: Transport, folder: str) -> Place:
    """Return what there is. ``folder`` is where everything of ours lies there, relative to the home folder.

    Raises:
        DeviceRefused: commands cannot be run there.
        DeviceLost: the connection went.
    """
    done = transport.run(["sh", "-c", _LOOK, "sh", folder], timeout_s=_STEP_S)
    told = dict(line.split("=", 1) for line in after_mark(done.stdout) if "=" in line)
    if done.status != 0 or "home" not in told:
        raise DeviceRefused(
            f"{transport.address}: commands cannot be run there: {done.last_words or 'it said nothing'}"
        )
    return Place(
        root=root_of(folder, told["home"]),
        machine=told.get("machine", "unknown"),
        has_tar="tar" in told,
        has_gzip="gzip" in told,
        installed=told.get("bundle"),
        runs="runs" in told,
        free_bytes=_free_bytes(told.get("df", "")),
    )


@dataclass(frozen=True)
class Pushed:
    """What an installation took: bytes that were sent, and those that had arrived before a cut."""

    sent_bytes: int
    reused_bytes: int


def push(
    transport: Transport,
    place: Place,
    bundle: Bundle,
    made_with: Mapping[str, Any],
    on_sent: Callable[[int, int], None] | None = None,
) -> Pushed:
    """Send a bundle, unpack and check it, and put it into its place; what was there before goes.

    ``made_with`` is what its folder keeps of how it was made, ``on_sent(bytes, of)`` hears how far it is.

    Raises:
        DeviceRefused: its disk is full or runs no programs, it has no tar, or the bundle arrived damaged twice.
        DeviceLost: the connection went; what arrived stays, and the next time goes on with it.
        OSError: the bundle cannot be read here.
    """
    if not place.has_tar:
        raise DeviceRefused(f"{transport.address}: has no tar to unpack a bundle with")
    _check_room(transport, place, bundle)
    installer = _Installer(transport, place, bundle, on_sent)
    try:
        return installer.install(made_with)
    except _Damaged:
        installer.forget(part=True)
    try:
        return installer.install(made_with)
    except _Damaged as damage:
        installer.forget(part=True)
        raise DeviceRefused(f"{transport.address}: the bundle arrived damaged twice: {damage}") from damage


def remove(transport: Transport, root: str) -> None:
    """Remove a bundle, which an environment has replaced.

    Raises:
        DeviceRefused: it cannot be removed.
        DeviceLost: the connection went.
    """
    done = transport.run(["sh", "-c", _REMOVE, "sh", root], timeout_s=_STEP_S)
    if done.status != 0:
        raise DeviceRefused(f"{transport.address}: {root}/{BUNDLE} cannot be removed: {done.last_words}")


class _Damaged(Exception):
    """What arrived is not what was sent."""


class _Installer:
    """The steps of one installation."""

    def __init__(
        self, transport: Transport, place: Place, bundle: Bundle, on_sent: Callable[[int, int], None] | None
    ) -> None:
        self._transport = transport
        self._root = place.root
        self._bundle = bundle
        self._packed = place.has_gzip
        self._part = bundle.sha256 if self._packed else f"{bundle.sha256}.tar"
        self._on_sent = on_sent
        self._sent_bytes = 0

    def install(self, made_with: Mapping[str, Any]) -> Pushed:
        reused_bytes = self._send()
        try:
            self._unpack(made_with)
            self._check()
        except DeviceRefused:
            self.forget(part=False)
            raise
        done = self._run(_SWAP, self._root, self._part)
        if done.status != 0:
            raise self._refused("the bundle cannot be put into its place", done)
        return Pushed(self._sent_bytes, reused_bytes)

    def forget(self, *, part: bool) -> None:
        """Remove what is unpacked, and what arrived if it is of no use."""
        self._run(_FORGET, self._root, self._part if part else "")

    def _send(self) -> int:
        """Send what is missing; return how much was there."""
        begun = self._run(_BEGIN, self._root, self._part)
        lines = after_mark(begun.stdout)
        if begun.status != 0 or not lines[:1] or not lines[0].isdigit():
            raise self._refused("cannot be written to", begun)
        with self._opened() as stream:
            size_bytes = stream.seek(0, io.SEEK_END)
            have = begun_bytes = int(lines[0])
            if have > size_bytes:
                raise _Damaged(f"{have} bytes of {size_bytes} are there")
            stream.seek(have)
            while data := stream.read(_PIECE_BYTES):
                self._append(data, have)
                have += len(data)
                self._sent_bytes += len(data)
                if self._on_sent is not None:
                    self._on_sent(have, size_bytes)
        return begun_bytes

    def _append(self, data: bytes, have: int) -> None:
        path = f"{self._root}/parts/{self._part}"
        numbers = (str(have), str(have + len(data)))
        command = ["sh", "-c", _APPEND, "sh", path, *numbers]
        done = self._transport.run(command, given=data, timeout_s=_STEP_S + len(data) / 1e4)
        if done.status == _DAMAGED:
            raise _Damaged(done.last_words)
        if done.status != 0:
            raise self._refused("the bundle cannot be written", done)

    def _unpack(self, made_with: Mapping[str, Any]) -> None:
        given = json.dumps(made_with, indent=1).encode()
        words = (self._root, self._part, "gzip" if self._packed else "tar")
        done = self._run(_UNPACK, *words, given=given, timeout_s=self._patience_s)
        if done.status == 0:
            return
        if _is_full(done):
            raise self._refused("the bundle cannot be unpacked", done)
        raise _Damaged(done.last_words)

    def _check(self) -> None:
        """Have the bundle's own Python check every file of it."""
        folder = f"{self._root}/{_NEW}"
        command = [f"{folder}/{LAUNCHER}", "-I", "-B", "-c", _CHECK, folder, LAUNCHER]
        done = self._transport.run(command, timeout_s=self._patience_s)
        if done.status == 0 and done.stdout.startswith(b"checked="):
            return
        words = done.last_words
        if words.startswith("damaged: ") or "Error" in words:
            raise _Damaged(words)
        if any(sign in words.lower() for sign in _OTHER_PROCESSOR):
            raise DeviceRefused(
                f"{self._transport.address}: {self._bundle.path}: its Python is not for this processor: {words}; build "
                "the bundle anew: edgebench device bundle build"
            )
        raise DeviceRefused(
            f"{self._transport.address}: programs do not run in {self._root}: {words or f'exit code {done.status}'}; "
            'name a folder on another disk as folder = "..." in [devices.NAME] of edgebench.toml'
        )

    @property
    def _patience_s(self) -> float:
        return _STEP_S + self._bundle.unpacked_bytes / _BYTES_A_SECOND

    def _opened(self) -> BinaryIO:
        """Return the bundle as it is sent: a device without gzip gets it unpacked."""
        if self._packed:
            return self._bundle.path.open("rb")
        return io.BytesIO(gzip.decompress(Path(self._bundle.path).read_bytes()))

    def _run(self, script: str, *words: str, given: bytes = b"", timeout_s: float = _STEP_S) -> Finished:
        return self._transport.run(["sh", "-c", script, "sh", *words], given=given, timeout_s=timeout_s)

    def _refused(self, what: str, done: Finished) -> DeviceRefused:
        if _is_full(done):
            return DeviceRefused(
                f"{self._transport.address}: its disk became full in {self._root}; make room there, or name a folder "
                'on another disk as folder = "..." in [devices.NAME] of edgebench.toml'
            )
        return DeviceRefused(f"{self._transport.address}: {self._root}: {what}: {done.last_words or 'no reason given'}")


def _check_room(transport: Transport, place: Place, bundle: Bundle) -> None:
    needed, free = (bundle.size_bytes + bundle.unpacked_bytes) * _MARGIN, place.free_bytes
    if free is not None and needed > free:
        raise DeviceRefused(
            f"{transport.address}: {place.root} needs {needed / 1e6:.0f} MB and has {free / 1e6:.0f} MB free; make "
            'room there, or name a folder on another disk as folder = "..." in [devices.NAME] of edgebench.toml'
        )


def _is_full(done: Finished) -> bool:
    said = done.stderr + done.stdout
    return b"No space left" in said or b"Disk quota exceeded" in said or b"bytes were written" in said


def _free_bytes(line: str) -> int | None:
    """Return the fourth column of ``df -k``; old phones write a table of their own, which says nothing to us."""
    columns = line.split()
    return int(columns[3]) * 1024 if len(columns) >= 6 and columns[3].isdigit() else None
