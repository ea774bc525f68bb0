"""What is known of a server's host key: the entries of known_hosts files that are about it.

The library would take ``UserKnownHostsFile none`` for "trust everybody", give up a whole file for one bad line, and not
look at the system's file. Here a key is trusted because a line says so, and for nothing else.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh

if TYPE_CHECKING:
    from asyncssh import SSHKey

SSH_PORT = 22
USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
SYSTEM_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


@dataclass(frozen=True)
class KnownHost:
    """The keys that a server may show. ``name`` is its name in ``files``, and ``found_in`` is one that knows it."""

    name: str
    files: tuple[Path, ...]
    keys: tuple[SSHKey, ...] = ()
    authorities: tuple[SSHKey, ...] = ()
    revoked: tuple[SSHKey, ...] = ()
    found_in: Path | None = None

    @property
    def fingerprints(self) -> str:
        """The known keys as a person compares them."""
        return ", ".join(fingerprint(key) for key in self.keys)

    @property
    def removal(self) -> str:
        """The command that forgets the known keys."""
        own = [] if self.found_in in (None, Path(USER_FILES[0]).expanduser()) else ["-f", str(self.found_in)]
        return shlex.join(["ssh-keygen", "-R", self.name, *own])


def fingerprint(key: SSHKey) -> str:
    """Return a key as ``ssh-keygen -l`` shows it: ``ssh-ed25519 SHA256:...``."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def find_known_host(host: str, port: int, alias: str | None, files: Sequence[str]) -> KnownHost:
    """Return what ``files`` say about a server. A file that cannot be read and a line that is none say nothing.

    With ``alias`` (HostKeyAlias) that is its name there. A port other than 22 is looked for as ``[host]:port``, and
    where that is unknown the host alone, as ssh does.
    """
    paths = tuple(Path(file).expanduser() for file in files)
    names = [alias] if alias else [f"[{host}]:{port}", host] if port != SSH_PORT else [host]
    lines = [(path, line) for path in paths for line in _lines(path)]
    for name in names:
        found = _match(name, paths, lines)
        if found.keys or found.authorities:
            return found
    return KnownHost(names[0], paths, revoked=_match(names[-1], paths, lines).revoked)


def _match(name: str, paths: tuple[Path, ...], lines: Sequence[tuple[Path, str]]) -> KnownHost:
    keys: list[SSHKey] = []
    authorities: list[SSHKey] = []
    revoked: list[SSHKey] = []
    found_in = None
    for path, line in lines:
        try:
            matched = asyncssh.import_known_hosts(line).match(name, "", None)
        except (ValueError, asyncssh.KeyImportError):
            continue
        if matched[0] and found_in is None:
            found_in = path
        keys += matched[0]
        authorities += matched[1]
        revoked += matched[2]
    return KnownHost(name, paths, tuple(keys), tuple(authorities), tuple(revoked), found_in)


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    yield from (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
