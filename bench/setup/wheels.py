"""Finds and fetches a board's packages with this machine's pip, and keeps them: the second time needs no network."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DeviceRefused, InputError, UsageError
from ..images.pixel_store import default_cache_dir
from .choice import OPTIONAL, Choice
from .wheel_file import Wheel, read_wheel

_FORMAT = 1
_TOLD = "resolved.json"
#: A slow line, and some 50 MB.
_PIP_S = 1800.0
_NO_NETWORK = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ReadTimeoutError", "ProxyError",
               "Connection broken", "Max retries exceeded", "Temporary failure in name resolution")  # fmt: skip

#: Runs pip with arguments.
Pip = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class WheelSet:
    """All wheels that a board gets, the runtime's first. ``left_out`` says why another package is not among them.

    ``kept``: they were here already.
    """

    wheels: tuple[Wheel, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False

    @property
    def runtime(self) -> Wheel:
        return self.wheels[0]

    @property
    def size_bytes(self) -> int:
        return sum(wheel.size_bytes for wheel in self.wheels)

    @property
    def unpacked_bytes(self) -> int:
        return sum(wheel.unpacked_bytes for wheel in self.wheels)


def run_pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip."""
    command = [sys.executable, "-m", "pip", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PIP_S, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"ERROR: it did not end within {_PIP_S:.0f} s")


def fetch(choice: Choice, given: Path | None = None, *, cache: Path | None = None, pip: Pip = run_pip) -> WheelSet:
    """Return the wheels that a choice comes to.

    ``given`` is a folder of wheels, then the only place to look; otherwise pip looks where it is set up to. The same
    question is answered from ``cache`` (None: in the user's) without asking pip.

    Raises:
        UsageError: there is no such folder, or this Python has no pip.
        DeviceRefused: no network, no wheel for that board, or one that would not load there.
        OSError: the cache cannot be written to.
    """
    if given is not None and not given.is_dir():
        raise UsageError(f"--wheels {given}: no such folder")
    question = _question(choice, given)
    place = (cache or default_cache_dir() / "wheels") / hashlib.sha256(question.encode()).hexdigest()[:16]
    found = _kept(place)
    if found is None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetching-") as scratch:
            folder = Path(scratch) / "wheels"
            left_out = _Fetcher(choice, given, folder, pip).fetch()
            _keep(folder, place, choice, left_out)
        found = _kept(place)
        if found is None:
            raise DeviceRefused(f"{place}: the wheels that pip fetched are gone again; run it once more")
        found = WheelSet(found.wheels, found.left_out)
    _check_needs(choice, found)
    return found


class _Fetcher:
    """Runs pip for one choice."""

    def __init__(self, choice: Choice, given: Path | None, folder: Path, pip: Pip) -> None:
        self._choice = choice
        self._given = given
        self._folder = folder
        self._pip = pip

    def fetch(self) -> dict[str, str]:
        """Fetch everything into the folder; return what is left out, and why."""
        choice = self._choice
        numpy = [choice.numpy] if choice.numpy else []
        problem = ""
        for attempt in choice.attempts:
            problem = self._download([attempt, *numpy], with_needs=choice.numpy is not None)
            if not problem:
                break
        else:
            raise DeviceRefused(problem)
        reasons = {package: self._try(package) for package in OPTIONAL}
        return {package: reason for package, reason in reasons.items() if reason}

    def _try(self, package: str) -> str:
        """Fetch what is only useful; return why it cannot be had, empty where it can."""
        if self._given is not None and not any(_is_of(path, package) for path in self._given.glob("*.whl")):
            return f"there is no wheel of {package} in {self._given}"  # pip needs seconds to say the same
        return self._download([package], with_needs=False)

    def _download(self, requirements: Sequence[str], *, with_needs: bool) -> str:
        """Fetch requirements; return why they cannot be had, empty where they can."""
        tag = self._choice.python_tag
        done = self._pip(
            [
                *("download", "--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:"),
                *(f"--platform={platform}" for platform in self._choice.platforms),
                *(f"--python-version={tag}", "--implementation=cp", f"--abi=cp{tag.replace('.', '')}"),
                *(["--no-index", f"--find-links={self._given}"] if self._given else ["--retries=2", "--timeout=15"]),
                *([] if with_needs else ["--no-deps"]),
                *(f"--dest={self._folder}", *requirements),
            ]
        )
        return "" if done.returncode == 0 else self._problem(done.stderr + done.stdout, requirements[0])

    def _problem(self, said: str, requirement: str) -> str:
        """Return pip's failure in one line."""
        if "No module named pip" in said:
            raise UsageError(f"{sys.executable} has no pip to fetch wheels with; install it (python -m ensurepip)")
        if any(sign in said for sign in _NO_NETWORK):
            return (
                f"{requirement}: cannot be fetched, pip reaches no package index; connect this machine to the network, "
                "or name a folder of wheels with --wheels"
            )
        errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
        python = self._choice.python
        where = f" in {self._given}" if self._given else ""
        for_what = f"for CPython {self._choice.python_tag} on {python.architecture}, glibc {python.glibc_text}"
        missing = next((line for line in errors if "No matching distribution found for" in line), None)
        if missing:
            return f"there is no wheel of {missing.rpartition(' for ')[2].strip()}{where} {for_what}"
        last = errors[-1].removeprefix("ERROR:").strip() if errors else (said.strip().splitlines() or ["no reason"])[-1]
        return f"pip could not fetch {requirement} {for_what}: {last[:200]}"


def _is_of(path: Path, package: str) -> bool:
    return path.name.partition("-")[0].lower() == package.lower()


def _question(choice: Choice, given: Path | None) -> str:
    """Return all that the answer depends on."""
    listing = []
    if given is not None:
        for path in sorted(given.glob("*.whl")):
            told = path.stat()
            listing.append([path.name, told.st_size, told.st_mtime_ns])
    where = [str(given.absolute()), listing] if given else None
    return json.dumps([_FORMAT, choice.attempts, choice.numpy, OPTIONAL, choice.platforms, choice.python_tag, where])


def _keep(folder: Path, place: Path, choice: Choice, left_out: Mapping[str, str]) -> None:
    """Write down what pip fetched and put it into its place in one step."""
    wheels = sorted((read_wheel(path) for path in folder.glob("*.whl")), key=lambda wheel: _order(wheel, choice))
    told = {"format": _FORMAT, "left_out": dict(left_out), "wheels": [_as_json(wheel) for wheel in wheels]}
    (folder / _TOLD).write_text(json.dumps(told, indent=1), encoding="utf-8")
    shutil.rmtree(place, ignore_errors=True)
    folder.rename(place)


def _order(wheel: Wheel, choice: Choice) -> tuple[bool, str]:
    return wheel.name != choice.package, wheel.name.lower()


def _as_json(wheel: Wheel) -> dict[str, Any]:
    return {**asdict(wheel), "path": wheel.path.name}


def _kept(place: Path) -> WheelSet | None:
    """Return a whole set of wheels that was fetched before, None where there is none."""
    try:
        told = json.loads((place / _TOLD).read_text(encoding="utf-8"))
        wheels = tuple(read_wheel(place / str(entry["path"])) for entry in told["wheels"])
        same = [wheel.sha256 for wheel in wheels] == [entry["sha256"] for entry in told["wheels"]]
        left_out = {str(name): str(reason) for name, reason in told["left_out"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError):
        return None
    return WheelSet(wheels, left_out, kept=True) if same and wheels and told.get("format") == _FORMAT else None


def _check_needs(choice: Choice, found: WheelSet) -> None:
    """Refuse a wheel whose libraries need a newer C library than the board's, whatever its name says."""
    has = choice.python.glibc or (0, 0)
    for wheel in found.wheels:
        if wheel.glibc is not None and wheel.glibc > has:
            raise DeviceRefused(
                f"the wheel of {wheel.name} {wheel.version} needs glibc {wheel.glibc[0]}.{wheel.glibc[1]}, and the "
                f"board has {choice.python.glibc_text}; a newer system there has it"
            )
