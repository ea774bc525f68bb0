"""What the Tab key offers: commands, flags, their values, files, and stored runs.

The shell calls ``edgebench`` itself with ``_ARGCOMPLETE`` set. So nothing heavy may be imported here: a person waits.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from .command_line import leaves
from .defaults import OUT_VARIABLE, RESULTS
from .errors import UsageError

Completer = Callable[..., Iterable[str]]

_SOURCES = ("folder:", "ham10000:", "images:", "phantom")
_DELEGATES = ("default", "xnnpack", "none", "gpu", "nnapi", "external:")
_NORMALIZATIONS = ("-1..1", "0..1", "0..255", "imagenet")
_RESIZES = ("stretch", "crop", "pad")
_GRAYSCALE = ("skip", "convert")
_VARIANTS = ("float32", "float16", "dynamic", "int8", "int16x8")


def answer_shell(make_parser: Callable[[Sequence[str]], argparse.ArgumentParser]) -> None:
    """Answer what could come next on the shell's line, and end the process.

    ``make_parser`` is given the command on that line, as far as it can be told.
    """
    import argcomplete

    parser = make_parser(os.environ.get("COMP_LINE", "").split()[1:2])
    add_completers(parser)
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=_nothing)  # type: ignore[arg-type]


def add_completers(parser: argparse.ArgumentParser) -> None:
    """Give every argument what completes it."""
    for command in leaves(parser):
        for action in command.parser._actions:
            found = completer_of(action)
            if action.choices is None and found is not None:
                action.completer = found  # type: ignore[attr-defined]


def completer_of(action: argparse.Action) -> Completer | None:
    """Return what completes an argument, None where nothing can."""
    if action.dest in _BY_NAME:
        return _BY_NAME[action.dest]
    return _BY_METAVAR.get(action.metavar if isinstance(action.metavar, str) else "")


def _nothing(**_: object) -> Iterable[str]:
    return ()


def _words(*words: str) -> Completer:
    """Complete one of some words, or the last one of a comma list."""

    def found(prefix: str, **_: object) -> Iterator[str]:
        before, comma, _last = prefix.rpartition(",")
        given = set(before.split(","))
        return (f"{before}{comma}{word}" for word in words if word not in given)

    return found


def _paths(*suffixes: str, folders_only: bool = False) -> Completer:
    """Complete a path: folders, and files with one of the suffixes (none named: all)."""

    def found(prefix: str, **_: object) -> Iterator[str]:
        yield from _listed(prefix, suffixes, folders_only=folders_only)

    return found


def _listed(prefix: str, suffixes: tuple[str, ...] = (), *, folders_only: bool = False) -> Iterator[str]:
    """Yield the paths that begin with what was typed, folders with a slash at their end."""
    folder, start = os.path.split(prefix)
    try:
        with os.scandir(Path(folder or ".").expanduser()) as entries:
            for entry in sorted(entries, key=lambda found: found.name):
                if not entry.name.startswith(start) or (entry.name.startswith(".") and not start.startswith(".")):
                    continue
                path = os.path.join(folder, entry.name)  # noqa: PTH118 - "./a" must stay as it was typed
                if entry.is_dir():
                    yield f"{path}/"
                elif not folders_only and (not suffixes or entry.name.endswith(suffixes)):
                    yield path
    except (OSError, RuntimeError):
        return


def _models(prefix: str, **_: object) -> Iterator[str]:
    """Complete ``FILE``, ``FOLDER`` or ``MODEL/VARIANT=FILE``."""
    names, equals, path = prefix.rpartition("=")
    yield from (f"{names}{equals}{found}" for found in _listed(path, (".tflite",)))


def _named_paths(prefix: str, **_: object) -> Iterator[str]:
    """Complete ``PATH`` or ``NAME=PATH``."""
    name, equals, path = prefix.rpartition("=")
    yield from (f"{name}{equals}{found}" for found in _listed(path))


def _sources(prefix: str, **_: object) -> Iterator[str]:
    kind, colon, path = prefix.partition(":")
    if not colon:
        yield from _SOURCES
    elif f"{kind}:" in _SOURCES:
        yield from (f"{kind}:{found}" for found in _listed(path, folders_only=True))


def _delegates(prefix: str, **_: object) -> Iterator[str]:
    kind, colon, path = prefix.partition(":")
    if colon:
        yield from (f"{kind}:{found}" for found in _listed(path, (".so",)))
    else:
        yield from _words(*_DELEGATES)(prefix=prefix)


def _engines(prefix: str, **_: object) -> Iterable[str]:
    from .records import Engine

    return _words(*(item.value for item in Engine))(prefix=prefix)


def _waits(prefix: str, **_: object) -> Iterable[str]:
    from .records import Wait

    return _words(*(item.value for item in Wait), "all")(prefix=prefix)


def _codes(prefix: str, **_: object) -> Iterable[str]:
    from .findings import Code

    return _words(*(item.value for item in Code))(prefix=prefix)


def _runs(prefix: str, parsed_args: argparse.Namespace | None = None, **_: object) -> Iterator[str]:
    """Complete a stored run: ``latest``, an id below ``--out``, or a folder."""
    yield "latest"
    yield from _ids(results_folder(parsed_args), "run.json")
    if prefix:
        yield from _listed(prefix, folders_only=True)


def _unfinished(prefix: str, parsed_args: argparse.Namespace | None = None, **_: object) -> Iterator[str]:
    """Complete a run that can be gone on with."""
    yield "latest"
    yield from (name.removesuffix(".unfinished") for name in _ids(results_folder(parsed_args), "journal.jsonl"))
    if prefix:
        yield from _listed(prefix, folders_only=True)


def _devices(prefix: str, parsed_args: argparse.Namespace | None = None, **_: object) -> Iterator[str]:
    """Complete a device: this machine, one of edgebench.toml, or an address."""
    from .config import load_config

    try:
        named = list(load_config(getattr(parsed_args, "config", None)).devices)
    except UsageError:  # the command itself will say what is wrong
        named = []
    yield from _words("local", *named, "ssh://", "adb://")(prefix=prefix)


def _ids(out: Path, file: str) -> list[str]:
    """Return the names of folders below ``out`` that hold a file, newest first."""
    return sorted((path.parent.name for path in out.glob(f"*/{file}") if path.parent.name[0] != "."), reverse=True)


def results_folder(options: argparse.Namespace | None) -> Path:
    """Return where runs are: ``--out``, else what the environment or edgebench.toml says, else ``results``."""
    from .config import load_config

    given = getattr(options, "out", None)
    if given not in (None, RESULTS):
        return Path(given)
    named = os.environ.get(OUT_VARIABLE)
    try:
        found = named or load_config(getattr(options, "config", None)).run.get("out")
        return Path(str(found)).expanduser() if found else RESULTS
    except (UsageError, RuntimeError):  # the command itself will say what is wrong
        return RESULTS


_BY_NAME: dict[str, Completer] = {
    "base": _runs,
    "cpus": lambda **_: ("big", "little"),
    "data": _sources,
    "delegate": _delegates,
    "engine": _engines,
    "grayscale": _words(*_GRAYSCALE),
    "model": _paths(".keras", ".h5"),
    "models": _models,
    "new": _runs,
    "normalize": _words(*_NORMALIZATIONS),
    "resize": _words(*_RESIZES),
    "resume": _unfinished,
    "run": _runs,
    "runs": _runs,
    "set_governor": lambda **_: ("performance",),
    "silence": _codes,
    "variants": _words(*_VARIANTS),
    "waits": _waits,
}
_BY_METAVAR: dict[str, Completer] = {
    "BASE": _runs,
    "DEVICE": _devices,
    "DEVICE[,DEVICE]": _devices,
    "DIR": _paths(folders_only=True),
    "FILE": _paths(),
    "NEW": _runs,
    "PATH": _paths(),
    "RUN": _runs,
    "[NAME=]PATH": _named_paths,
}
