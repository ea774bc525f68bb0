"""What a worker's last words come to."""

from __future__ import annotations

from edgebench.devices.answers import telling_line


def test_the_telling_line_is_the_last_one_with_something_to_read() -> None:
    assert telling_line("ERROR: no memory\x1b[0m\nINFO: done\n  \n\0\n") == "ERROR: no memory[0m"
    assert telling_line("\0\n") == telling_line("") == ""
