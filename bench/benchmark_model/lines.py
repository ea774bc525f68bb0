"""The lines of a log without what loggers put before them: logcat, time stamps, levels, source positions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Colours and what else terminals are told, as bytes or as a terminal echoes them; window titles end with a bell.
_ESCAPE = re.compile(r"(?:\x1b|\^\[)\[[0-9;?]{0,99}[A-Za-z]|\x1b\][^\x07\x1b]{0,999}(?:\x07|\x1b\\)")
#: Windows' shells write two bytes a letter; a mark may begin a file.
_NOTHING = str.maketrans("", "", "\0\ufeff")
_BREAK = re.compile(r"\r{0,3}\n|\r")
_DATE, _CLOCK, _TAG = r"(?:\d{4}-)?\d\d-\d\d", r"\d\d:\d\d:\d\d\.\d+", r"(?i:tflite\w*|litert\w*|native)"
_STAMPS = (
    # A mail, or a comment that quotes a log.
    re.compile(r"> ?"),
    # A runner of CI jobs.
    re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?\s"),
    # logcat -v threadtime, time and brief, with or without a date, zone and user; also as documents shorten it:
    # "... tflite  : ". Android Studio has process-thread/application in the place of two numbers.
    re.compile(
        rf"(?:{_DATE}\s+)?(?:{_CLOCK}\s+)?(?:[+-]\d{{4}}\s+)?"
        rf"(?:(?:[\w.]{{1,40}}\s+)?(?P<process>\d+)\s+\d+\s+|(?P<process_in_studio>\d+)-\d+/\S{{1,200}}"
        rf"(?: \(\S{{1,99}}\))?\s+)?(?P<level>[VDIWEF])[ /]"
        rf"{_TAG}\s{{0,40}}(?:\(\s{{0,9}}(?P<process_in_brief>\d+)\s{{0,9}}\))?\s{{0,40}}: ?"
    ),
    # Android Studio since 2022: the level comes last.
    re.compile(
        rf"(?:{_DATE}\s+)?{_CLOCK}\s+(?P<process>\d+)-\d+\s+{_TAG}\s+\S{{1,200}}\s+(?P<level>[VDIWEF])(?:  ?|$)"
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
_PROCESS = ("process", "process_in_studio", "process_in_brief")
_LEVELS = {"V": "VERBOSE", "D": "DEBUG", "I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL", "WARNING": "WARN"}


@dataclass(frozen=True)
class Line:
    """One line: its number from 1, its text without prefixes, its level and source file (both may be unknown).

    ``process`` is that which wrote it to Android's log, empty where it is not told.
    """

    number: int
    text: str
    level: str | None
    source: str
    raw: str
    process: str = ""

    @property
    def quoted(self) -> str:
        """The line as errors quote it."""
        shown = self.raw.strip()
        return f"line {self.number}: {shown[:200]!r}"


def lines_of(text: str) -> Iterator[Line]:
    """Yield the lines of a log that have something in them."""
    for number, raw in enumerate(_BREAK.split(text.translate(_NOTHING)), 1):
        if raw and not raw.isspace():
            yield line_of(number, _ESCAPE.sub("", raw.rstrip()))


def line_of(number: int, raw: str) -> Line:
    """Return a line without what loggers put before it."""
    text, level, source, process = raw, None, "", ""
    for pattern in _STAMPS:
        found = pattern.match(text)
        if found is not None:
            groups = found.groupdict()
            level = _LEVELS.get((groups.get("level") or "").upper(), level)
            process = next((groups[name] for name in _PROCESS if groups.get(name)), process)
            text = text[found.end() :]
    found = _LEVEL.match(text)
    if found is not None:
        level = _LEVELS.get(found["level"], found["level"])
        text = text[found.end() :]
    found = _SOURCE.match(text)
    if found is not None:
        source, text = found["file"], text[found.end() :]
    # A table's rows begin with a tab.
    return Line(number, text.lstrip(" ").rstrip(), level, source, raw, process)
