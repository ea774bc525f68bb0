"""Devices that the tests of setting up work on."""

from .there import open_there

__all__ = ["open_there"]
