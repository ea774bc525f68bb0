"""The lines of a log without what loggers put before them: logcat, time stamps, levels, source positions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_STAMPS = (
    # A mail, or a comment that quotes a log.
    re.compile(r"> ?"),
    # A runner of CI jobs.
    re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?\s"),
    # logcat -v threadtime, time and brief, with or without a date; also as documents shorten it: "... tflite  : ".
    re.compile(
        r"(?:(?:\d{4}-)?\d\d-\d\d\s+)?(?:\d\d:\d\d:\d\d\.\d+\s+)?(?:\d+\s+\d+\s+)?(?P<level>[VDIWEF])[ /]"
        r"(?i:tflite\w*|litert\w*|native)\s*(?:\(\s*\d+\s*\))?\s*: ?"
    ),
    re.compile(r"(?:…|\.\.\.)\s*(?:(?P<level>[VDIWEF])[ /])?(?:tflite|litert)\s*: ?"),
    # Apple's unified logging.
    re.compile(r"\d{4}-\d\d-\d\d [\d:.]+[+-]\d{4} \S+\[\d+:\d+\] ?"),
    # TensorFlow's and Abseil's loggers.
    re.compile(r"\d{4}-\d\d-\d\d [\d:.]+: (?P<level>[IWEF]) \S+:\d+\] ?"),
    re.compile(r"(?P<level>[IWEF])\d{4} [\d:.]+\s+\d+ \S+:\d+\] ?"),
)
_LEVEL = re.compile(r"\s*(?P<level>INFO|WARN|WARNING|ERROR|FATAL|VERBOSE|DEBUG): ?")
#: LiteRT's logger names the source; its line numbers move with every release.
_SOURCE = re.compile(r"\[(?P<file>[^\]\s]*):\w+\] ?")
_LEVELS = {"V": "VERBOSE", "D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL", "WARNING": "WARN"}


@dataclass(frozen=True)
class Line:
    """One line: its number from 1, its text without prefixes, its level and source file (both may be unknown)."""

    number: int
    text: str
    level: str | None
    source: str
    raw: str

    @property
    def quoted(self) -> str:
        """The line as errors quote it."""
        shown = self.raw.strip()
        return f"line {self.number}: {shown[:200]!r}"


def lines_of(text: str) -> Iterator[Line]:
    """Yield the lines of a log, blank ones too."""
    for number, raw in enumerate(text.split("\n"), 1):
        yield _line(number, _COLOUR.sub("", raw.rstrip()))


def _line(number: int, raw: str) -> Line:
    text, level, source = raw, None, ""
    for pattern in _STAMPS:
        found = pattern.match(text)
        if found is not None:
            level = _LEVELS.get((found.groupdict().get("level") or "").upper(), level)
            text = text[found.end() :]
    found = _LEVEL.match(text)
    if found is not None:
        level = _LEVELS.get(found["level"], found["level"])
        text = text[found.end() :]
    found = _SOURCE.match(text)
    if found is not None:
        source, text = found["file"], text[found.end() :]
    # A table's rows begin with a tab.
    return Line(number, text.lstrip(" ").rstrip(), level, source, raw)
