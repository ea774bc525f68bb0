"""A client's side for tests over SSH: a home without keys, and settings that lead to a server of the tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.ssh import SshTransport
from edgebench.devices.ssh_settings import SshSettings

from .ssh_host import SshHost

Connect = Callable[..., SshTransport]


def settings(server: SshHost, **changed: Any) -> SshSettings:
    """Return settings that get in, with nothing from an ssh configuration but what is ``changed``."""
    found = SshSettings(
        server.host,
        server.user,
        server.port,
        identity=server.key,
        known_hosts=server.known_hosts,
        connect_timeout_s=20.0,
    )
    return dataclasses.replace(found, **changed)


def write_config(path: Path, hosts: Mapping[str, Mapping[str, object]]) -> Path:
    """Write an ssh configuration: the keywords of each host."""
    lines = []
    for host, keywords in hosts.items():
        lines += [f"Host {host}", *(f"    {keyword} {value}" for keyword, value in keywords.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def ssh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the client's own, without an agent."""
    folder = tmp_path / "client"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def connect_ssh(ssh_home: Path) -> Iterator[Connect]:
    """Connect as settings say; connections end with the test."""
    made: list[SshTransport] = []

    def make(found: SshSettings) -> SshTransport:
        made.append(SshTransport(found))
        return made[-1]

    yield make
    for transport in made:
        transport.close()
