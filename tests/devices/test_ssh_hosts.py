"""Hosts by the names that an ssh configuration gives them."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.devices.opening import find_device
from edgebench.devices.ssh_hosts import configured_hosts
from edgebench.devices.ssh_settings import RemoteTable
from edgebench.errors import UsageError

CONFIG = """\
# boards
Host pi "lab board" *.example.org !not
    HostName raspberrypi.local
host=zero
  Include extra/*.conf
Include missing
Host * ?x
Host "broken
"""


def test_the_names_in_order_each_once(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "one.conf").write_text("Host jetson pi\nInclude ../config\n", encoding="utf-8")
    assert configured_hosts(tmp_path / "config") == ("pi", "lab board", "zero", "jetson", '"broken')
    assert configured_hosts(tmp_path / "none") == ()


def test_a_host_of_the_ssh_configuration_is_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host jetson\n    HostName 10.0.0.7\n", encoding="utf-8")
    name, table = find_device("jetson", None)
    assert isinstance(table, RemoteTable)
    assert (name, table.ssh.host) == ("jetson", "jetson")
    with pytest.raises(UsageError, match=r"--device jetsen: no such device; did you mean jetson\?"):
        find_device("jetsen", None)
