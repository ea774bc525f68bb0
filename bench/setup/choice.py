"""Which runtime fits a board: facts about the wheels that exist, and the choice that follows from them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DeviceRefused
from .board import Board, BoardPython

LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
#: Useful to a worker, which does without them: memory of other processes, and photos decoded on the board.
OPTIONAL = ("psutil", "Pillow")
OLDEST_PYTHON = (3, 8)
_ARM = frozenset({"aarch64", "armv7l"})
_X86 = frozenset({"x86_64"})
_SUPPORTED = _ARM | _X86


@dataclass(frozen=True)
class _Wheels:
    """Versions of a runtime, and what their wheels need. ``libstdcxx`` as in :class:`.board.BoardPython`.

    The C library is what their code needs where that is more than what the wheels are labelled with. ``numpy`` is the
    oldest whose C interface the code was compiled for; it matters where the board's own is used.
    """

    package: str
    versions: str
    machines: frozenset[str]
    pythons: tuple[int, int | None]
    glibc: tuple[int, int]
    libstdcxx: int = 0
    numpy: tuple[int, int] = (1, 0)

    def for_python(self, python: BoardPython) -> bool:
        first, last = self.pythons
        return python.version[1] >= first and (last is None or python.version[1] <= last)

    def fit(self, python: BoardPython) -> bool:
        return (
            python.architecture in self.machines
            and self.for_python(python)
            and (python.glibc or (0, 0)) >= self.glibc
            and (python.libstdcxx is None or python.libstdcxx >= self.libstdcxx)
        )

    def take(self, numpy: str) -> bool:
        return self.numpy <= _numbers(numpy) < (2, 0)


#: Best first. Read from the wheels themselves in November 2026: since 2.1.1 those for aarch64 are labelled
#: manylinux_2_27, but their libraries ask for GLIBC_2.34 and GLIBCXX_3.4.30. tflite-runtime 2.13 refuses a numpy older
#: than 1.20, and 2.14 one older than 1.23 ("module compiled against API version ...").
_KNOWN = (
    _Wheels(LITERT, ">=2.1.0", _X86, (10, None), (2, 27), 22),
    _Wheels(LITERT, ">=2.1.0", frozenset({"aarch64"}), (10, None), (2, 34), 30),
    _Wheels(LITERT, "<=2.1.0", _X86, (9, 9), (2, 27), 22),
    _Wheels(LITERT, "<=2.1.0", frozenset({"aarch64"}), (9, 13), (2, 30), 26),
    _Wheels(TFLITE, ">=2.14,<2.15", _ARM, (8, 11), (2, 34), numpy=(1, 23)),
    _Wheels(TFLITE, ">=2.14,<2.15", _X86, (8, 11), (2, 29), 22, numpy=(1, 23)),
    _Wheels(TFLITE, ">=2.13,<2.14", _ARM, (8, 10), (2, 27), numpy=(1, 20)),
)


@dataclass(frozen=True)
class Choice:
    """What a board gets. ``attempts`` are requirements of the runtime, the first that has a wheel counts.

    ``numpy`` is the requirement of its wheel, None where the board's own is used. ``platforms`` are the tags of wheels
    that fit, best first. ``why`` says why it is not simply the newest runtime, None where it is.
    """

    python: BoardPython
    package: str
    attempts: tuple[str, ...]
    numpy: str | None
    platforms: tuple[str, ...]
    why: str | None = None

    @property
    def python_tag(self) -> str:
        """The Python as pip calls it, such as ``3.11``."""
        return f"{self.python.version[0]}.{self.python.version[1]}"

    def sentence(self, version: str, here: str | None) -> str:
        """Say which runtime it is and why, once its ``version`` is known; ``here`` is this machine's of LiteRT."""
        python = self.python
        text = f"{self.package} {version} for CPython {python.version_text} on {python.architecture}, glibc "
        parts = [f"{text}{python.glibc_text}"]
        if self.why:
            parts.append(self.why)
        if self.package == LITERT and here == version:
            parts.append("the same version as on this machine")
        elif here is not None:
            parts.append(f"this machine has {LITERT} {here}, so outputs are compared with a tolerance")
        if self.numpy is None:
            parts.append(f"numpy is the board's own {python.numpy}")
        return "; ".join(parts)


def choose(board: Board, here: str | None = None) -> Choice:
    """Return what a board gets; ``here`` is the version of ai-edge-litert on this machine, preferred where it fits.

    Raises:
        DeviceRefused: nothing fits; the line says what to do.
    """
    found = [(rank, python) for python in board.pythons if (rank := _rank(python)) is not None]
    if not found:
        raise DeviceRefused(f"{board.address}: {_why_none(board)}")
    if board.noexec:
        raise DeviceRefused(
            f"{board.address}: libraries cannot be loaded from {board.root}, whose disk is mounted noexec; name a "
            'folder on another one as folder = "..." in [devices.NAME] of edgebench.toml'
        )
    rank, python = min(found, key=lambda one: one[0])
    wheels = _KNOWN[rank]
    exact = [f"{LITERT}=={here}"] if here and wheels.package == LITERT and wheels.versions.startswith(">=") else []
    return Choice(
        python=python,
        package=wheels.package,
        attempts=(*exact, f"{wheels.package}{wheels.versions}"),
        numpy=None if _uses_own_numpy(python) else "numpy<2" if wheels.package == TFLITE else "numpy",
        platforms=platform_tags(python),
        why=_why_not_newest(python, rank),
    )


def platform_tags(python: BoardPython) -> tuple[str, ...]:
    """Return the platform tags of wheels that a Python can use, best first."""
    machine, (_, newest) = python.architecture, python.glibc or (2, 17)
    oldest = 5 if machine == "x86_64" else 17
    tags = []
    for minor in range(newest, oldest - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}.get(minor)
        if old:
            tags.append(f"{old}_{machine}")
    return tuple(tags)


def _rank(python: BoardPython) -> int | None:
    if _unfit(python) is not None:
        return None
    fitting = [number for number, wheels in enumerate(_KNOWN) if wheels.fit(python)]
    if _uses_own_numpy(python):
        own = python.numpy
        fitting = [number for number in fitting if own is not None and _KNOWN[number].take(own)]
    return next(iter(fitting), None)


def _why_none(board: Board) -> str:
    """Return why no Python of a board will do: of the one that is nearest to it, where there are several."""
    if not board.pythons:
        return "has no Python that runs; install one there (on Debian: sudo apt install python3)"
    if board.system != "Linux":
        return f"runs {board.system}; only Linux can be set up"
    usable = [python for python in board.pythons if python.version[:2] >= OLDEST_PYTHON]
    if not usable:
        newest = max(board.pythons, key=lambda python: python.version)
        return (
            f"its newest Python is {newest.version_text} ({newest.path}), and 3.8 is the oldest with a TFLite runtime; "
            "install one there, and name it with --python"
        )
    return _why_not(min(usable, key=lambda python: _unfit(python) is not None))


def _why_not(python: BoardPython) -> str:
    return _unfit(python) or _no_wheels(python) or _numpy_trouble(python) or f"{python.path} fits no runtime"


def _unfit(python: BoardPython) -> str | None:
    """Return why a Python fits no runtime of any version, None where it may fit one."""
    if python.version[:2] < OLDEST_PYTHON:
        return f"{python.path} is Python {python.version_text}, and 3.8 is the oldest with a TFLite runtime"
    if python.incomplete:
        return (
            f"{python.path} lacks a part of its standard library ({python.incomplete}); install the whole there "
            "(on Debian: sudo apt install python3)"
        )
    if python.implementation != "CPython" or python.threaded:
        kind = "a free-threaded Python" if python.threaded else python.implementation
        return f"{python.path} is {kind}; runtimes exist for the usual CPython only"
    if python.architecture == "armv6l":
        return (
            "its processor is an ARMv6 (Raspberry Pi 1, Zero), for which no TFLite runtime exists; ARMv7 is the oldest"
        )
    if python.architecture not in _SUPPORTED:
        return (
            f"its programs are for {python.architecture}, for which no TFLite runtime exists; there are some for "
            "aarch64, x86_64 and armv7l with hardware floating point"
        )
    if python.glibc is None:
        name = "musl" if python.musl else "not glibc"
        return f"its C library is {name}; runtimes need glibc, as in Debian, Ubuntu and Raspberry Pi OS"
    return None


def _no_wheels(python: BoardPython) -> str | None:
    """Return why there are no wheels of any runtime for a Python that may have some."""
    if any(wheels.fit(python) for wheels in _KNOWN):
        return None
    mine = [wheels for wheels in _KNOWN if python.architecture in wheels.machines]
    fitting = [wheels for wheels in mine if wheels.for_python(python)]
    what = "32-bit ARM" if python.architecture == "armv7l" else python.architecture
    if not fitting:
        newest = max(wheels.pythons[1] or 0 for wheels in mine)
        return (
            f"there is no TFLite runtime for Python {python.version[0]}.{python.version[1]} on {what}, only up to "
            f"3.{newest}; install a 64-bit system there, or name an older Python with --python"
        )
    needed = min(wheels.glibc for wheels in fitting)
    if (python.glibc or (0, 0)) < needed:
        return (
            f"its C library is glibc {python.glibc_text}, and runtimes for Python {python.version[0]}."
            f"{python.version[1]} on {what} need {needed[0]}.{needed[1]}; a newer system there has it"
        )
    if python.libstdcxx == 0:
        return (
            "it has no C++ library, which the runtime needs; install it there (on Debian: sudo apt install libstdc++6)"
        )
    return f"its C++ library is too old (GLIBCXX_3.4.{python.libstdcxx}); a newer system there has a newer one"


def _numpy_trouble(python: BoardPython) -> str | None:
    """Return why a board that must use its own numpy cannot."""
    if not _uses_own_numpy(python):
        return None
    if python.numpy is None:
        return (
            f"{python.path} has no numpy, and there are no wheels of it for 32-bit ARM; install it there "
            "(on Debian: sudo apt install python3-numpy)"
        )
    if _numbers(python.numpy) >= (2, 0):
        return f"its numpy is {python.numpy}, and {TFLITE} needs one older than 2"
    oldest = min(wheels.numpy for wheels in _KNOWN if wheels.fit(python))
    return (
        f"its numpy is {python.numpy}, and {TFLITE} needs {oldest[0]}.{oldest[1]} or newer; a newer system there has "
        "it, for instance Raspberry Pi OS bookworm"
    )


def _uses_own_numpy(python: BoardPython) -> bool:
    """Return whether there are no wheels of numpy for a Python, so that the board's own must do."""
    return python.architecture == "armv7l"


def _numbers(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version; what is no number counts as 0."""
    major, minor = ([int(part) if part.isdecimal() else 0 for part in version.split(".")] + [0, 0])[:2]
    return major, minor


def _why_not_newest(python: BoardPython, rank: int) -> str | None:
    """Return what keeps a Python from the newest runtime, None where nothing does."""
    chosen = _KNOWN[rank]
    if chosen.package == LITERT and chosen.versions.startswith(">="):
        return None
    better = [wheels for wheels in _KNOWN[:rank] if python.architecture in wheels.machines]
    other = "a newer ai-edge-litert" if chosen.package == LITERT else LITERT
    if python.architecture == "armv7l":
        return f"{LITERT} has no wheels for 32-bit ARM"
    return _what_misses(python, [wheels for wheels in better if wheels.package == LITERT], other)


def _what_misses(python: BoardPython, better: Sequence[_Wheels], other: str) -> str:
    fitting = [wheels for wheels in better if wheels.for_python(python)]
    if not fitting:
        return f"{other} has no wheels for Python {python.version[0]}.{python.version[1]}"
    needed = min(wheels.glibc for wheels in fitting)
    if (python.glibc or (0, 0)) < needed:
        return f"{other} needs glibc {needed[0]}.{needed[1]}"
    return f"{other} needs a newer C++ library (libstdc++)"
