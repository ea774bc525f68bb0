"""``edgebench.toml``: defaults of flags, gates and devices, beside the models that they are about.

::

    [run]                       # defaults of edgebench run, by the flags' long names
    data = "folder:photos"      # relative paths begin at this file's folder
    threads = [1, 2]

    [compare]                   # defaults of edgebench compare
    undecided = "fail"

    [[gate]]                    # what must hold, for cases whose names match the patterns
    variant = "int8*"
    check = ["p50 <= 1.05x", "recall[mel] >= -2pt"]

    [devices.pi]                # a device's own settings
    ssh = "pi@raspberrypi.local"

Which keys ``[run]`` and ``[compare]`` may have is known to the commands: see :mod:`.defaults`.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .command_line import WITH_DEFAULTS
from .errors import UsageError
from .nearest import did_you_mean

CONFIG_NAME = "edgebench.toml"
#: The environment variable that names another file.
CONFIG_VARIABLE = "EDGEBENCH_CONFIG"

_SECTIONS = (*WITH_DEFAULTS, "gate", "devices")
_PATTERNS = ("model", "variant", "device")
_PLAIN = (str, bool, int, float)
_PLACE = re.compile(r"^(.*) \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True)
class GateTable:
    """One ``[[gate]]``: its expressions as written, and patterns (as of file names) of the cases that it is about."""

    check: tuple[str, ...]
    model: str = "*"
    variant: str = "*"
    device: str = "*"


@dataclass(frozen=True)
class Config:
    """What the file says, all empty where there is none.

    ``run`` and ``compare`` are defaults of the commands' flags by long name without dashes: text, numbers, booleans, or
    lists of them, with paths that can be used as they are. ``devices`` are tables by the device's name.
    """

    path: Path | None = None
    run: Mapping[str, object] = field(default_factory=dict)
    compare: Mapping[str, object] = field(default_factory=dict)
    gates: tuple[GateTable, ...] = ()
    devices: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def load_config(explicit: Path | None = None, start: Path | None = None) -> Config:
    """Return what ``edgebench.toml`` says.

    The file is ``explicit`` (``--config``), else the one that ``$EDGEBENCH_CONFIG`` names, else the nearest one in the
    folder ``start`` (None: the current one) or above.

    Raises:
        UsageError: the file cannot be read, or has a section, key or value that means nothing.
    """
    path = find_config(explicit, start)
    if path is None:
        return Config()
    data = _read(path)
    for section in data:
        if section not in _SECTIONS:
            raise UsageError(f"{path}: no section is called [{section}]; {did_you_mean(section, _SECTIONS)}")
    return Config(
        path=path,
        run=_defaults(data.get("run", {}), f"{path}: [run]", path.parent),
        compare=_defaults(data.get("compare", {}), f"{path}: [compare]", path.parent),
        gates=_gates(data.get("gate", []), path),
        devices=_devices(data.get("devices", {}), path),
    )


def find_config(explicit: Path | None = None, start: Path | None = None) -> Path | None:
    """Return the file that :func:`load_config` reads, None where there is none.

    The search upwards ends at the root of a Git checkout. A folder above that everyone may write to, such as /tmp, is
    passed over: its file might be anybody's, and the file says which programs to run.
    """
    named = explicit or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        return named
    first = (start or Path.cwd()).absolute()
    for folder in (first, *first.parents):
        path = folder / CONFIG_NAME
        if path.is_file() and (folder == first or not folder.stat().st_mode & stat.S_IWOTH):
            return _shown(path)
        if (folder / ".git").exists():
            break
    return None


def _shown(path: Path) -> Path:
    """Return a path as short as it can be written from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _read(path: Path) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(_toml_line(path, str(error))) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _toml_line(path: Path, message: str) -> str:
    """Return the line about a file that is no TOML, with the place in front."""
    found = _PLACE.match(message)
    what, where = (found.group(1), f"line {found.group(2)}, column {found.group(3)}: ") if found else (message, "")
    return f"{path}: {where}is no TOML: {what[:1].lower()}{what[1:]}"


def _table(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: must be a table")
    return value


def _defaults(value: object, where: str, folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, item in _table(value, where).items():
        if not (isinstance(item, _PLAIN) or (isinstance(item, list) and all(isinstance(one, _PLAIN) for one in item))):
            raise UsageError(f"{where} {key}: must be text, a number, true or false, or a list of them")
        found[key] = _with_paths(key, item, folder)
    return found


def _gates(value: object, path: Path) -> tuple[GateTable, ...]:
    if not isinstance(value, list):
        raise UsageError(f"{path}: [gate]: write [[gate]], there may be several")
    return tuple(_gate(_table(item, f"{path}: [[gate]]"), f"{path}: [[gate]] {n}") for n, item in enumerate(value, 1))


def _gate(table: Mapping[str, object], where: str) -> GateTable:
    known = ("check", *_PATTERNS)
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: no key is called {key}; {did_you_mean(key, known)}")
    check = table.get("check", [])
    checks = [check] if isinstance(check, str) else check
    if not isinstance(checks, list) or not checks or not all(isinstance(one, str) and one.strip() for one in checks):
        raise UsageError(f'{where}: check must be one text or several, for instance check = ["p50 <= 1.05x"]')
    patterns = {}
    for name in _PATTERNS:
        pattern = table.get(name, "*")
        if not isinstance(pattern, str):
            raise UsageError(f'{where}: {name} must be a pattern, for instance {name} = "int8*"')
        patterns[name] = pattern
    return GateTable(check=tuple(checks), **patterns)


def _devices(value: object, path: Path) -> dict[str, dict[str, object]]:
    devices = _table(value, f"{path}: [devices]")
    return {name: _table(device, f"{path}: [devices.{name}]") for name, device in devices.items()}


def _with_paths(key: str, value: object, folder: Path) -> object:
    """Return a value whose relative paths begin at the file's folder written so that they can be used from here."""
    place = _PATHS.get(key)
    if place is None or folder.absolute() == Path.cwd():
        return value
    if isinstance(value, list):
        return [place(one, folder) if isinstance(one, str) else one for one in value]
    return place(value, folder) if isinstance(value, str) else value


def _placed(text: str, folder: Path) -> str:
    return text if text.startswith("~") else str(folder / text)


def _placed_source(text: str, folder: Path) -> str:
    """``folder:DIR``; ``phantom`` has no path."""
    kind, colon, path = text.partition(":")
    return f"{kind}:{_placed(path, folder)}" if colon else text


def _placed_model(text: str, folder: Path) -> str:
    """``FILE`` or ``MODEL/VARIANT=FILE``."""
    names, equals, path = text.partition("=")
    named = bool(equals and names and path) and not (folder / text).exists()
    return f"{names}={_placed(path, folder)}" if named else _placed(text, folder)


def _placed_program(text: str, folder: Path) -> str:
    """``[NAME=]PATH``; a bare name is looked for on PATH."""
    name, equals, path = text.rpartition("=")
    return f"{name}{equals}{_placed(path, folder)}" if "/" in path else text


def _placed_delegates(text: str, folder: Path) -> str:
    """``external:PATH``; a bare name is left to the dynamic loader, and other delegates have no path."""
    return _placed_source(text, folder) if text.startswith("external:") and "/" in text else text


_PATHS: Mapping[str, Callable[[str, Path], str]] = {
    "data": _placed_source,
    "delegate": _placed_delegates,
    "labels": _placed,
    "metadata": _placed,
    "models": _placed_model,
    "out": _placed,
    "python": _placed_program,
}
