"""Fetches Debian packages of any architecture with this machine's apt, in package lists of our own.

Only the machine's own package source is asked, with another suite where one is named. Nothing is installed, nothing
outside the cache is written, and it needs no root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..errors import DeviceRefused, UsageError
from ..images.pixel_store import default_cache_dir
from .deb import Deb, read_deb

#: What a Python with its standard library comes to; apt adds what they depend on.
ROOTS = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
_APT_S = 1200.0
_ETC = Path("/etc")
_HINT = "name a folder of packages with --packages, or a Python with --python-archive"


def fetch_packages(
    architecture: str,
    roots: Sequence[str] = ROOTS,
    suite: str | None = None,
    *,
    cache: Path | None = None,
    etc: Path = _ETC,
) -> tuple[Deb, ...]:
    """Return packages and all that they depend on, sorted by name.

    ``architecture`` is Debian's name for it, ``suite`` a release such as ``trixie``, None for this machine's.
    Those that were fetched before are taken from ``cache``.

    Raises:
        UsageError: there is no apt here, or it has no package source of a Debian.
        DeviceRefused: apt does not reach its source, or that has no such packages.
        OSError: the cache cannot be written to.
    """
    if shutil.which("apt-get") is None:
        raise UsageError(f"there is no apt here to fetch packages of Debian with; {_HINT}")
    sources = _sources(etc, suite)
    place = (cache or default_cache_dir() / "packages") / f"{suite or 'own'}-{architecture}"
    for folder in ("lists/partial", "archives/partial", "packages", "state", "sources"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "state/status").write_bytes(b"")
    for name, text in sources.items():
        (place / "sources" / name).write_text(text, encoding="utf-8")
    apt = [*_apt(architecture, place), "-o", f"Dir::Etc::sourceparts={place / 'sources'}"]
    _run([*apt, "update"])
    told = _run([*apt, "install", "--yes", "--print-uris", *roots])
    wanted = [line.split()[1] for line in told.splitlines() if line.startswith("'")]
    missing = [name.partition("_")[0] for name in wanted if not (place / "packages" / name).exists()]
    if missing:
        _run([*apt, "download", *missing], place / "packages")
    found = [read_deb(place / "packages" / name) for name in wanted]
    return tuple(sorted(found, key=lambda deb: deb.name))


def read_packages(folder: Path) -> tuple[Deb, ...]:
    """Return the packages that lie in a folder, sorted by name.

    Raises:
        UsageError: there is no such folder, or none in it.
        InputError: one of them is damaged.
    """
    found = [read_deb(path) for path in sorted(folder.glob("*.deb"))]
    if not found:
        raise UsageError(f"--packages {folder}: there are no Debian packages (*.deb) in it")
    return tuple(sorted(found, key=lambda deb: deb.name))


def _apt(architecture: str, place: Path) -> list[str]:
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Debug::NoLocking": "true",
        "Dir::Cache": str(place),
        "Dir::Cache::archives": str(place / "archives"),  # stays empty: apt does not name what it finds there
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::State": str(place / "state"),
        "Dir::State::lists": str(place / "lists"),
        "Dir::State::status": str(place / "state/status"),
    }
    return ["apt-get", "-qq", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    """Run apt in a folder, where it puts what it downloads; return what it says."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_APT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except subprocess.TimeoutExpired:
        raise DeviceRefused(f"apt did not end within {_APT_S:.0f} s; {_HINT}") from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        words = errors[0].removeprefix("E:").strip() if errors else f"exit code {done.returncode}"
        raise DeviceRefused(f"apt cannot fetch the packages: {words[:200]}; {_HINT}")
    return done.stdout


def _sources(etc: Path, suite: str | None) -> dict[str, str]:
    """Return files for apt's folder of sources: the machine's own, of its main suite alone or of another one."""
    own = _codename(etc)
    lists = [etc / "apt/sources.list", *sorted((etc / "apt/sources.list.d").glob("*.list"))]
    lines = [line for path in lists if path.is_file() for line in _one_line_sources(path.read_text(), own, suite)]
    stanzas = [
        stanza
        for path in sorted((etc / "apt/sources.list.d").glob("*.sources"))
        for stanza in _stanzas(path.read_text(), own, suite)
    ]
    if not lines and not stanzas:
        raise UsageError(f"apt has no package source of this machine's {own or 'release'} here; {_HINT}")
    texts = {"own.list": "\n".join(lines), "own.sources": "\n\n".join(stanzas)}
    return {name: f"{text}\n" for name, text in texts.items() if text}


def _codename(etc: Path) -> str:
    try:
        text = (etc / "os-release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r'^VERSION_CODENAME="?([a-z0-9.-]+)"?$', text, re.MULTILINE)
    return found.group(1) if found else ""


def _one_line_sources(text: str, own: str, suite: str | None) -> list[str]:
    found = [re.match(r"(deb (?:\[[^\]]*\] )?\S+) (\S+)((?: \S+)+)$", line.strip()) for line in text.splitlines()]
    return [
        f"{entry.group(1)} {suite or own} main"
        for entry in found
        if entry is not None and entry.group(2) == own and "main" in entry.group(3).split()
    ]


def _stanzas(text: str, own: str, suite: str | None) -> list[str]:
    found = []
    for stanza in re.split(r"\n\s*\n", text.strip()):
        fields = dict(line.split(":", 1) for line in stanza.splitlines() if re.match(r"[A-Za-z-]+:", line))
        if own in fields.get("Suites", "").split() and "main" in fields.get("Components", "").split():
            found.append(re.sub(r"(?m)^Suites:.*$", f"Suites: {suite or own}", stanza))
    return found
