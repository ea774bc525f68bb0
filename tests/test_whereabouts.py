from __future__ import annotations

import getpass
import platform

import pytest
from edgebench.scrubbing import host_names
from edgebench.whereabouts import secrets_here


def test_this_machine_and_this_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "box.lab.example")
    monkeypatch.setattr(getpass, "getuser", lambda: "eve")
    monkeypatch.setenv("SUDO_USER", "mallory")
    monkeypatch.setenv("HOME", "/homes/evelyn")
    found = secrets_here()
    assert found.hosts == ("box.lab.example",)
    assert {"eve", "mallory", "evelyn"} <= set(found.users)
    assert found.paths == ("/homes/evelyn",)


def test_an_account_without_a_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setenv("HOME", "/")
    assert secrets_here().users == ()
    assert secrets_here().paths == ()


def test_a_full_host_name_is_told_by_its_parts_too() -> None:
    assert host_names("box.lab.example") == ("box.lab.example", "box", "lab.example")
    assert host_names("box.example") == ("box.example", "box")
    assert host_names("box") == ("box",)
