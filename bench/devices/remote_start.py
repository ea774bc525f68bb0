"""The first steps on a device, before anything of ours runs there: POSIX shell commands, and then a keeper."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

from ..errors import DeviceLost, DeviceRefused, NoPython
from .transport import Transport
from .zipapp import worker_archive

#: What a login shell prints comes before it.
MARK = "edgebench-begins-here"
#: The folder, below ours, of a portable Python for a device that has none.
BUNDLE = "bundle"
#: Makes ``root`` of the first argument, which is relative to the home folder.
ROOT_OF = "case $1 in /*) root=$1 ;; *) root=${HOME%/}/${1#'~/'} ;; esac"
_VERSION = """-c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null"""
#: Stands for the Python of the environment there, which may be the only one, and on no PATH.
_OWN = "the-environments-own"
_SEARCH = rf"""
{ROOT_OF}
shift
echo; echo {MARK}
echo "home=$HOME"
uname -m 2>/dev/null | sed 's/^/machine=/'
command -v getprop >/dev/null 2>&1 && echo android=yes
if [ $# != 1 ]; then
  version=$("$root/{BUNDLE}/bin/python3" {_VERSION}) && echo "bundled=$version" && exit
fi
for name in "$@"; do
  case $name in {_OWN}) name=$root/env/bin/python3 ;; "~/"*) name=$HOME/${{name#"~/"}} ;; esac
  found=$(command -v "$name" 2>/dev/null) || continue
  version=$("$found" {_VERSION}) || continue
  echo "python=$version $found"
  case $version in 2.*|3.[0-7]) ;; *) break ;; esac
done
"""
_NAMES = ("python3", *(f"python3.{minor}" for minor in range(14, 7, -1)), _OWN)
_OLDEST = (3, 8)
_WRITE = r"""
umask 077
mkdir -p "$1" || exit 1
part="${2%.pyz}-$$.pyz.part"
cat > "$part" || exit 1
[ "$(wc -c < "$part")" -eq "$3" ] || { echo "only $(wc -c < "$part") of $3 bytes arrived" >&2; exit 1; }
mv "$part" "$2"
"""
_SIZE = rf"""
echo; echo {MARK}
wc -c < "$1" 2>/dev/null || echo 0
"""
_STEP_S = 60.0
_GIVE = "give it one: edgebench device bundle build, then edgebench device setup"


@dataclass(frozen=True)
class There:
    """The Python that runs the keeper, and the folder of ours."""

    python: str
    root: str

    @property
    def is_bundled(self) -> bool:
        """Whether it is a portable Python of ours, which has a runtime of its own."""
        return self.python == f"{self.root}/{BUNDLE}/bin/python3"


def find_python(transport: Transport, wanted: str | None, folder: str) -> There:
    """Look for a Python there that can run the keeper.

    Raises:
        NoPython: there is none.
        DeviceRefused: commands cannot be run there.
        DeviceLost: the connection went.
    """
    names = (wanted,) if wanted else _NAMES
    done = transport.run(["sh", "-c", _SEARCH, "sh", folder, *names], timeout_s=_STEP_S)
    lines = after_mark(done.stdout)
    told = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("python="))
    if done.status != 0 or "home" not in told:
        raise DeviceRefused(
            f"{transport.address}: commands cannot be run there: {done.last_words or 'it said nothing'}"
        )
    root = root_of(folder, told["home"])
    if "bundled" in told:
        return There(f"{root}/{BUNDLE}/bin/python3", root)
    pythons = [line.removeprefix("python=").partition(" ") for line in lines if line.startswith("python=")]
    usable = [path for version, _, path in pythons if _numbers(version) >= _OLDEST]
    if usable:
        return There(usable[0], root)
    if wanted:
        raise NoPython(f"{transport.address}: {wanted} is no Python 3.8 or newer there")
    if pythons:
        raise NoPython(
            f"{transport.address}: has Python {pythons[0][0]} only, 3.8 or newer is needed; install one there and name "
            'it as python = "..." in [devices.NAME] of edgebench.toml if it is not on its PATH'
        )
    if "android" in told:
        raise NoPython(
            f"{transport.address}: has no Python, as no phone has; {_GIVE}; or measure without, with --engine "
            "benchmark_model"
        )
    raise NoPython(
        f"{transport.address}: has no Python; install it there (on Debian: sudo apt install python3), or {_GIVE}"
    )


def has_python(transport: Transport, wanted: str | None, folder: str) -> bool:
    """Return whether a device has a Python that can run the keeper. Raises DeviceRefused, DeviceLost."""
    try:
        find_python(transport, wanted, folder)
    except NoPython:
        return False
    return True


def write_archive(transport: Transport, root: str) -> tuple[str, int]:
    """Put the worker's program there unless it is; return its path and how many bytes were sent.

    Raises:
        DeviceRefused: it cannot be written there.
        DeviceLost: the connection went.
    """
    content = worker_archive()
    path = f"{root}/worker-{hashlib.sha256(content).hexdigest()[:16]}.pyz"
    found = transport.run(["sh", "-c", _SIZE, "sh", path], timeout_s=_STEP_S)
    if after_mark(found.stdout)[:1] == [str(len(content))]:
        return path, 0
    done = transport.run(["sh", "-c", _WRITE, "sh", root, path, str(len(content))], given=content, timeout_s=300.0)
    if done.status != 0:
        raise DeviceRefused(
            f"{transport.address}: the worker cannot be written to {root}: {done.last_words or 'no reason given'}"
        )
    return path, len(content)


def why_not_started(transport: Transport, command: list[str]) -> DeviceRefused | DeviceLost:
    """Start the keeper once more, without any input, and return the error that says why it does not run."""
    done = transport.run(command, timeout_s=_STEP_S)
    if done.status == 0:
        return DeviceLost(f"{transport.address}: the helper program ended at once")
    words = done.last_words or f"exit code {done.status}"
    return DeviceRefused(f"{transport.address}: the helper program does not run under {command[0]}: {words}")


def after_mark(output: bytes) -> list[str]:
    """Return the lines that one of our commands printed, without what a login shell put before."""
    lines = output.decode("utf-8", "surrogateescape").splitlines()
    rest = itertools.dropwhile(lambda line: line != MARK, lines)
    return [line.strip() for line in rest][1:]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))


def root_of(folder: str, home: str) -> str:
    """Return the path of a folder that may be relative to the home folder."""
    if folder.startswith("~/"):
        folder = folder[2:]
    return folder if folder.startswith("/") else f"{home.rstrip('/')}/{folder}"
