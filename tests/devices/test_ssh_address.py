from __future__ import annotations

import pytest
from edgebench.devices.ssh_address import SshAddress, parse_address, parse_jumps
from edgebench.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ssh://pi@raspberrypi.local:2222", SshAddress("raspberrypi.local", "pi", 2222)),
        ("ssh://raspberrypi.local", SshAddress("raspberrypi.local")),
        ("ssh://raspberrypi.local/", SshAddress("raspberrypi.local")),
        ("pi@raspberrypi.local", SshAddress("raspberrypi.local", "pi")),
        ("board_3", SshAddress("board_3")),
        ("10.0.0.7:22", SshAddress("10.0.0.7", port=22)),
        ("ssh://pi@[::1]:2222", SshAddress("::1", "pi", 2222)),
        ("ssh://[fe80::1%eth0]", SshAddress("fe80::1%eth0")),
        ("ssh://me%40work@host", SshAddress("host", "me@work")),
        ("me@work@host", SshAddress("host", "me@work")),
        ("bücher.example", SshAddress("bücher.example")),
    ],
)
def test_addresses_as_people_write_them(text: str, address: SshAddress) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no address"),
        ("ssh://", "no address"),
        ("ssh://-oProxyCommand=id", "no address"),
        ("ssh://host/folder", "no address"),
        ("ssh://a b", "no address"),
        ("ssh://host;id", "no address"),
        ("ssh://$(id)", "no address"),
        ("host\n", "no address"),
        ("ssh://host:0", "no port"),
        ("ssh://host:", "no port"),
        ("ssh://host:65536", "no port"),
        ("ssh://host:٢٢", "no port"),
        ("ssh://[::1]:x", "no port"),
        ("fe80::1", "in brackets"),
        ("ssh://fe80::1:22", "in brackets"),
        ("ssh://[host]", "no IPv6 address"),
        ("ssh://@host", "no user's name"),
        ("ssh://-l@host", "no user's name"),
        ("ssh://a%0Ab@host", "no user's name"),
    ],
)
def test_what_is_no_address_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        parse_address(text)

    assert "\n" not in str(refused.value)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="leave the password out") as refused:
        parse_address("ssh://pi:secret@host")

    assert "secret" not in str(refused.value)


def test_jumps_are_separated_by_commas() -> None:
    assert parse_jumps("me@gate:2222, inner") == (SshAddress("gate", "me", 2222), SshAddress("inner"))


def test_an_address_is_written_as_it_is_read() -> None:
    for text in ("pi@raspberrypi.local:22", "pi@[::1]:22", "host"):
        assert str(parse_address(text)) == text
