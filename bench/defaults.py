"""Defaults of flags from the environment and ``edgebench.toml``.

A flag on the command line goes before its environment variable, that before the file, that before the flag's own
default. Values are checked as if they had been given on the command line, and errors name where they came from.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .command_line import WITH_DEFAULTS, Leaf, given_names, leaves
from .data_cli import NEED_DATA
from .errors import UsageError
from .nearest import did_you_mean

if TYPE_CHECKING:
    from .config import Config

#: Where runs are stored when nothing says otherwise. A flag ``--out`` with this default is about them.
RESULTS = Path("results")
OUT_VARIABLE = "EDGEBENCH_OUT"

#: Flags about one command line alone.
_NO_DEFAULTS = frozenset({"help", "config", "resume", "debug", "dry_run"})
#: Flags, and so defaults, that go with --resume: such a run knows all but its output and how it is judged.
BESIDE_RESUME = frozenset(
    {"out", "json", "quiet", "verbose", "no_images", "redact"}
    | {"gate", "undecided", "junit", "summary", "github_benchmark"}
)
#: How one environment variable holds several values of a flag that may be repeated; others hold a comma list as it is.
_SEPARATORS = {"models": os.pathsep, "python": os.pathsep, "delegate_option": ",", "operating_point": ",", "cpus": ":"}
#: Flags that mean nothing without another flag, and what that one's value must hold.
_NEED = {
    **dict.fromkeys(NEED_DATA, ("data", "")),
    "delegate_option": ("delegate", "external"),
    "cool_timeout": ("cool_to", ""),
    "gap": ("waits", "idle-gap"),
    "batches": ("waits", "batches"),
    "workers": ("waits", "workers"),
}
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_FLAG = re.compile(r"--[a-z][a-z-]*")


class Default(NamedTuple):  # not a dataclass: --help need not wait for what they import
    """One value from the environment or the file, as written and as the command takes it.

    ``origin`` says where it came from, as errors do: ``EDGEBENCH_RUN_BUDGET`` or ``edgebench.toml: [run] budget``.
    """

    name: str
    written: tuple[str, ...]
    value: object
    origin: str


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` to every command that takes defaults or a device and has no such flag yet."""
    for command in leaves(parser):
        takes_device = any(action.dest == "device" for action in command.parser._actions)
        if (takes_device or _takes_defaults(command)) and "--config" not in command.parser._option_string_actions:
            command.parser.add_argument(
                "--config", type=Path, metavar="FILE", help="read this file instead of the nearest edgebench.toml"
            )


def _takes_defaults(command: Leaf) -> bool:
    return command.names[:1] in {(name,) for name in WITH_DEFAULTS} or _results_flag(command.parser) is not None


def _results_flag(parser: argparse.ArgumentParser) -> argparse.Action | None:
    return next((action for action in parser._actions if action.dest == "out" and action.default == RESULTS), None)


def apply_defaults(command: Leaf, options: argparse.Namespace) -> None:
    """Set what was not given on the command line from the environment and ``edgebench.toml``.

    ``options.defaults`` then holds the :class:`Default` of each flag that has its value from there, by name.

    Raises:
        UsageError: the file or a value is wrong, or a key or variable names no flag.
    """
    options.defaults = {}
    if not _takes_defaults(command):
        return
    from .config import load_config

    config = load_config(getattr(options, "config", None))
    found = find_defaults(command, config)
    given = given_names(command.parser, command.rest)
    for name, default in found.items():
        if name not in given and _has_use(command.parser, name, found, given):
            setattr(options, name, default.value)
            options.defaults[name] = default


def find_defaults(command: Leaf, config: Config, environment: Mapping[str, str] | None = None) -> dict[str, Default]:
    """Return the defaults of a command's flags by name. Raises UsageError where one is wrong or names no flag."""
    environment = os.environ if environment is None else environment
    flags = dict(_flags(command.parser))
    found: dict[str, Default] = {}
    results = _results_flag(command.parser)
    if results is not None:
        found.update(_results_default(results, config, environment))
    section = command.names[0]
    if section in WITH_DEFAULTS:
        found.update(_from_file(section, config, flags))
        if results is not None and environment.get(OUT_VARIABLE):
            found.update(_one(results, [environment[OUT_VARIABLE]], OUT_VARIABLE))
        found.update(_from_environment(section, environment, flags))
    return found


def _flags(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Yield what may have a default by its name: flags, and arguments that may be left out."""
    for action in parser._actions:
        if action.dest in _NO_DEFAULTS or isinstance(action, argparse._SubParsersAction):
            continue
        if action.option_strings or action.nargs in ("*", "?"):
            yield action.dest, action


def _results_default(
    action: argparse.Action, config: Config, environment: Mapping[str, str]
) -> Iterator[tuple[str, Default]]:
    """Yield where runs are: commands that only read them look where ``run`` puts them."""
    if environment.get(OUT_VARIABLE):
        yield from _one(action, [environment[OUT_VARIABLE]], OUT_VARIABLE)
    elif "out" in config.run:
        yield from _one(action, [config.run["out"]], f"{config.path}: [run] out")


def _from_file(section: str, config: Config, flags: Mapping[str, argparse.Action]) -> Iterator[tuple[str, Default]]:
    known = {_key(name): action for name, action in flags.items()}
    values: Mapping[str, object] = getattr(config, section)
    for key, value in values.items():
        origin = f"{config.path}: [{section}] {key}"
        if key not in known:
            raise UsageError(f"{origin}: no flag that may stand here is called --{key}; {did_you_mean(key, known)}")
        yield from _one(known[key], value if isinstance(value, list) else [value], origin)


def _from_environment(
    section: str, environment: Mapping[str, str], flags: Mapping[str, argparse.Action]
) -> Iterator[tuple[str, Default]]:
    prefix = f"EDGEBENCH_{section.upper()}_"
    known = {prefix + name.upper(): action for name, action in flags.items()}
    for variable in sorted(environment):
        text = environment[variable]
        if not variable.startswith(prefix) or not text:
            continue
        if variable not in known:
            raise UsageError(
                f"{variable}: no flag of edgebench {section} goes with it; {did_you_mean(variable, known)}"
            )
        action = known[variable]
        separator = _SEPARATORS.get(action.dest)
        parts: list[object] = [part for part in text.split(separator) if part] if separator else [text]
        if isinstance(action, argparse._StoreTrueAction):
            parts = [_truth(text, variable)]
        yield from _one(action, parts, variable)


def _truth(text: str, origin: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise UsageError(f"{origin} {text}: write 1 for yes or 0 for no")
    return text.lower() in _TRUE


def _one(action: argparse.Action, parts: Sequence[object], origin: str) -> Iterator[tuple[str, Default]]:
    """Yield a default as the command line would have it. Raises UsageError where it would not take it."""
    if isinstance(action, argparse._StoreTrueAction):
        if len(parts) != 1 or not isinstance(parts[0], bool):
            raise UsageError(f"{origin}: must be true or false")
        yield action.dest, Default(action.dest, ("yes" if parts[0] else "no",), parts[0], origin)
        return
    texts = tuple(_text(part, origin) for part in parts)
    if isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+"):
        values: object = [_value(action, text, origin) for text in texts]
    else:
        texts = (",".join(texts),)
        values = _value(action, texts[0], origin)
    yield action.dest, Default(action.dest, texts, values, origin)


def _text(part: object, origin: str) -> str:
    if isinstance(part, bool):
        raise UsageError(f"{origin}: takes a value, not true or false")
    return str(part)


def _value(action: argparse.Action, text: str, origin: str) -> object:
    """Return a text as the flag's own type; one that argparse would not take is refused as argparse does."""
    kind: Callable[[str], Any] = action.type if callable(action.type) else str
    try:
        value = kind(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{origin}: {error}") from None
    except (ValueError, TypeError):
        raise UsageError(f"{origin} {text}: is not {'a whole number' if kind is int else 'a number'}") from None
    if action.choices is not None and value not in action.choices:
        raise UsageError(f"{origin} {text}: choose {', '.join(map(str, action.choices))}")
    return value


def _key(name: str) -> str:
    return name.replace("_", "-")


def _has_use(
    parser: argparse.ArgumentParser, name: str, found: Mapping[str, Default], given: Mapping[str, Any]
) -> bool:
    """Return whether a default matters to this command line.

    A flag that goes with another is an error without it; a default that does is only kept for when it is needed.
    """
    if given.get("resume") is not None and name not in BESIDE_RESUME:
        return False
    if name in ("quiet", "verbose"):
        return not {"quiet", "verbose"} & given.keys()
    other, part = _NEED.get(name, ("", ""))
    if f"--{_key(other)}" not in parser._option_string_actions:
        return True
    value = given[other] if other in given else found[other].value if other in found else ""
    named = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return bool(named) and (part in named or named == "all")


def named_by_origin(message: str, options: argparse.Namespace | None) -> str:
    """Return an error's line with flags that were not given on the command line called by where they came from."""
    defaults: Mapping[str, Default] = getattr(options, "defaults", {})

    def origin(found: re.Match[str]) -> str:
        name = found.group().removeprefix("--").replace("-", "_")
        return defaults[name].origin if name in defaults else found.group()

    return _FLAG.sub(origin, message)


def written_out(options: argparse.Namespace, given: Sequence[str]) -> tuple[str, ...]:
    """Return a command line that says the same without environment and file, for the record of a run."""
    defaults: Mapping[str, Default] = getattr(options, "defaults", {})
    words = [*given]
    for name, default in defaults.items():
        if name in BESIDE_RESUME:
            continue
        if name == "models":
            words.extend(default.written)
        elif isinstance(default.value, bool):
            words.extend([f"--{_key(name)}"] if default.value else [])
        else:
            words.extend(f"--{_key(name)}={text}" for text in default.written)
    return tuple(words)


def default_lines(options: argparse.Namespace) -> list[str]:
    """Return a line for each flag that has its value from the environment or the file."""
    defaults: Mapping[str, Default] = getattr(options, "defaults", {})
    return [f"{_key(name)} = {', '.join(default.written)} ({default.origin})" for name, default in defaults.items()]
