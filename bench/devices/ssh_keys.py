"""The keys that a server is offered: those of the agent and of files, never a password and never a question."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh

from ..errors import DeviceRefused

if TYPE_CHECKING:
    from asyncssh import SSHKeyPair
    from asyncssh.agent import SSHAgentClient

#: ssh's own names, in its order.
DEFAULT_FILES = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")


@dataclass
class Keys:
    """What is offered, and what was found but cannot be. ``agent`` must be closed when the login is over."""

    pairs: list[SSHKeyPair] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    encrypted: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    agent: SSHAgentClient | None = None

    @property
    def story(self) -> str:
        """Return what was offered and what was not, as parts of a sentence."""
        parts = [f"offered: {', '.join(self.offered)}" if self.offered else "there was no key to offer"]
        if self.encrypted:
            names = ", ".join(self.encrypted)
            parts.append(f"{names} has a passphrase: run 'ssh-add {self.encrypted[0]}' first")
        if self.unreadable:
            parts.append(f"not usable: {', '.join(self.unreadable)}")
        return "; ".join(parts)

    async def close(self) -> None:
        """Let go of the agent."""
        if self.agent is not None:
            self.agent.close()
            await self.agent.wait_closed()


@dataclass(frozen=True)
class KeySources:
    """Where keys come from. ``only_files``: the agent is asked for the keys of these files alone (IdentitiesOnly)."""

    files: tuple[Path, ...]
    only_files: bool
    agent_path: str | None
    must_exist: Path | None = None


def sources(
    identity: Path | None, configured: Sequence[str], identities_only: bool, agent: str | None, *, is_jump: bool = False
) -> KeySources:
    """Return where to take keys from.

    ``identity`` is the one that a person named: the only key for the device itself, the first one for a jump host.
    ``configured`` are the ``IdentityFile`` of the ssh configuration and ``agent`` is its ``IdentityAgent``.
    """
    usual = tuple(Path(file).expanduser() for file in configured) or default_files()
    if identity is None:
        return KeySources(usual, identities_only, agent_path(agent))
    if is_jump:
        return KeySources((identity, *usual), identities_only, agent_path(agent), identity)
    return KeySources((identity,), True, agent_path(agent), identity)


def default_files() -> tuple[Path, ...]:
    """Return the files in ``~/.ssh`` that ssh looks at by itself."""
    return tuple(Path("~/.ssh").expanduser() / name for name in DEFAULT_FILES)


def agent_path(configured: str | None) -> str | None:
    """Return the agent's socket: what ``IdentityAgent`` names, a variable or a path, else $SSH_AUTH_SOCK."""
    if configured is None or configured == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    if configured.startswith("$"):
        return os.environ.get(configured[1:].strip("{}")) or None
    return None if configured.lower() == "none" else str(Path(configured).expanduser())


async def find_keys(source: KeySources) -> Keys:
    """Return the keys that there are.

    Raises:
        DeviceRefused: the file that a person named is not there.
    """
    if source.must_exist is not None and not source.must_exist.is_file():
        raise DeviceRefused(f"there is no key {source.must_exist}; name the file of a private key with identity")
    keys = Keys()
    wanted: list[bytes] = []
    for file in source.files:
        _add_file(file, keys, wanted)
    if source.agent_path is not None and (wanted or not source.only_files):
        await _add_agent(source.agent_path, wanted if source.only_files else None, keys)
    return keys


def _add_file(file: Path, keys: Keys, wanted: list[bytes]) -> None:
    """Add the key of a file, or remember what the agent must be asked for in its place."""
    if not file.is_file():
        return
    try:
        pairs = asyncssh.load_keypairs(str(file))
    except (asyncssh.KeyImportError, OSError, ValueError) as error:
        public = _public_data(file)
        if public is not None:
            wanted.append(public)
        if isinstance(error, asyncssh.KeyImportError) and str(error).startswith("Passphrase"):
            keys.encrypted.append(str(file))
        elif public is None or file.suffix != ".pub":
            keys.unreadable.append(f"{file} ({getattr(error, 'strerror', None) or error})")
        return
    keys.pairs += pairs
    keys.offered.append(f"{file} ({_fingerprint(pairs[0])})")


def _public_data(file: Path) -> bytes | None:
    """Return the public key that lies beside a file, or that the file itself is."""
    for path in (file.with_name(f"{file.name}.pub"), file):
        try:
            return asyncssh.read_public_key(path).public_data
        except (asyncssh.KeyImportError, OSError, ValueError):
            continue
    return None


async def _add_agent(path: str, wanted: list[bytes] | None, keys: Keys) -> None:
    try:
        agent = await asyncssh.connect_agent(path)
    except OSError:
        return  # an agent that is gone has no keys; ssh says nothing either
    keys.agent = agent
    try:
        pairs = await agent.get_keys(wanted)
    except ValueError:
        return
    keys.pairs[:0] = pairs
    held = {pair.key_public_data for pair in pairs}
    keys.encrypted = [file for file in keys.encrypted if _public_data(Path(file)) not in held]
    keys.offered[:0] = [f"{pair.get_comment() or 'a key'} of the agent ({_fingerprint(pair)})" for pair in pairs]


def _fingerprint(pair: SSHKeyPair) -> str:
    digest = hashlib.sha256(pair.key_public_data).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
