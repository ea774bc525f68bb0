from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.devices.ssh_address import SshAddress
from edgebench.devices.ssh_settings import RemoteTable, SshSettings
from edgebench.errors import UsageError


def test_every_key_of_a_table_counts() -> None:
    table = {
        "ssh": "ssh://pi@raspberrypi.local:2222",
        "identity": "keys/id",
        "known_hosts": "/etc/known",
        "jump": "me@gate,inner",
        "ssh_config": "config",
        "connect_timeout_s": 20,
        "folder": "/mnt/ssd",
        "python": "/usr/bin/python3",
        "cache": "2GB",
    }

    found = RemoteTable.from_table("pi", table, Path("/project/edgebench.toml"))

    settings = SshSettings(
        "raspberrypi.local",
        "pi",
        2222,
        identity=Path("/project/keys/id"),
        known_hosts=Path("/etc/known"),
        jump=(SshAddress("gate", "me"), SshAddress("inner")),
        config_file=Path("/project/config"),
        connect_timeout_s=20.0,
    )
    assert found == RemoteTable(settings, folder="/mnt/ssd", python="/usr/bin/python3", cache="2GB")


def test_a_bare_table_leaves_all_else_to_ssh() -> None:
    assert RemoteTable.from_table("pi", {"ssh": "board"}) == RemoteTable(SshSettings("board"))


def test_home_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    found = RemoteTable.from_table("pi", {"ssh": "board", "identity": "~/.ssh/id"}, Path("/project/edgebench.toml"))

    assert found.ssh.identity == Path("/home/me/.ssh/id")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"ssh": "board", "identiy": "id"}, r"no key is called identiy; did you mean identity\?"),
        ({"ssh": "board", "password": "x"}, "no key is called password; there are: cache"),
        ({"folder": "/mnt"}, "say where it is"),
        ({"ssh": 22}, "ssh must be text, not 22"),
        ({"ssh": ""}, "ssh must be text"),
        ({"ssh": "board:99999"}, "is no port"),
        ({"ssh": "board", "jump": "gate,,inner"}, "is no address"),
        ({"ssh": "board", "connect_timeout_s": "20s"}, "must be a number of seconds"),
        ({"ssh": "board", "connect_timeout_s": 0}, "must be a number of seconds"),
        ({"ssh": "board", "connect_timeout_s": True}, "must be a number of seconds"),
        ({"ssh": "board", "cache": 5}, "cache must be text"),
    ],
)
def test_what_means_nothing_is_told_with_its_place(table: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        RemoteTable.from_table("pi", table, Path("edgebench.toml"))

    assert str(refused.value).startswith("edgebench.toml: [devices.pi]: ")
