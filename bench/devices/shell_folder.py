"""Our folder on a device as POSIX shell commands see it: what makes it ours, and how everything of ours is removed.

A keeper does the same with its own means (:mod:`edgebench.worker.keeper_files`); a device without Python has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DeviceRefused
from ..worker.keeper_files import MARKER
from .remote_start import BUNDLE, MARK, ROOT_OF, after_mark
from .transport import Transport

#: The official tool, which ``device setup`` puts there, and what is known of where it came from.
TOOL, TOOL_ORIGIN, NEW_TOOL = "benchmark_model", "benchmark_model.json", "benchmark_model.new"
_FILES = ("files", "parts")
#: All that is ours there, beside the worker's program, our mark, and the tool where we have put it there.
OURS = (
    *_FILES,
    "scratch",
    *(name + end for name in ("env", BUNDLE) for end in ("", ".new", ".old")),
    "governor.json",
)
#: A function that makes the folder $1 where it is not there, and ours unless it has somebody else's things.
CLAIM = rf"""
claim() {{
  [ ! -e "$1/{MARKER}" ] || return 0
  for name in {" ".join(OURS)}; do
    [ ! -e "$1/$name" ] || {{ echo "has something of others called $name; name another folder" >&2; return 1; }}
  done
  mkdir -p "$1" || return 1
  echo 'edgebench keeps what it needs here; remove it with: edgebench device clean' > "$1/{MARKER}"
}}
"""
#: $2 is what to remove: ``all``, ``files`` or ``tool``. A tool that has nothing beside it is a person's own.
_REMOVE = rf"""
echo; echo {MARK}
{ROOT_OF}
echo "root=$root"
what=$2
cd "$root" 2>/dev/null || exit 0
[ -e {MARKER} ] || {{ echo "$root has no file {MARKER}: nothing is removed there" >&2; exit 1; }}
case $what in
  all) set -- {" ".join(OURS)} worker-*.pyz worker-*.pyz.part ;;
  files) set -- {" ".join(_FILES)} ;;
  tool) set -- ;;
esac
if [ $what != files ]; then
  set -- "$@" {NEW_TOOL}
  if [ -e {TOOL_ORIGIN} ]; then set -- "$@" {TOOL} {TOOL_ORIGIN}; fi
fi
find "$@" -type f -exec stat -c 'size=%s' {{}} + 2>/dev/null
rm -rf "$@" || exit 1
[ $what = all ] || exit 0
rm -f {MARKER} || exit 1
for name in .[!.]* *; do if [ -e "$name" ]; then echo "left=$name"; fi; done
cd / && rmdir "$root" 2>/dev/null
exit 0
"""
_STEP_S = 600.0


@dataclass(frozen=True)
class Removed:
    """What was removed from our folder ``root``, in bytes; ``left`` are the names of others' files there."""

    root: str
    removed_bytes: int
    left: tuple[str, ...] = ()


def remove_all(transport: Transport, folder: str) -> Removed:
    """Remove everything of ours. ``folder`` is where it lies there, relative to the home folder.

    Raises:
        DeviceRefused: the folder is not ours, or something cannot be removed.
        DeviceLost: the connection went.
    """
    return _remove(transport, folder, "all")


def remove_files(transport: Transport, folder: str) -> Removed:
    """Remove models and images alone. Raises DeviceRefused, DeviceLost as :func:`remove_all`."""
    return _remove(transport, folder, "files")


def remove_tool(transport: Transport, folder: str) -> Removed:
    """Remove the official tool where we have put it there. Raises DeviceRefused, DeviceLost as :func:`remove_all`."""
    return _remove(transport, folder, "tool")


def _remove(transport: Transport, folder: str, what: str) -> Removed:
    done = transport.run(["sh", "-c", _REMOVE, "sh", folder, what], timeout_s=_STEP_S)
    told = [line.partition("=") for line in after_mark(done.stdout)]
    roots = [value for name, _, value in told if name == "root"]
    if done.status != 0 or not roots:
        raise DeviceRefused(f"{transport.address}: {done.last_words or f'{folder} cannot be removed'}")
    sizes = [int(value) for name, _, value in told if name == "size" and value.isdecimal()]
    return Removed(roots[0], sum(sizes), tuple(sorted(value for name, _, value in told if name == "left")))
