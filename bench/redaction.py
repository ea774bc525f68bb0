"""A run without what tells whose it is or where it was measured: names, paths, addresses and images.

Every text of a record is looked at, whatever field it stands in; :mod:`.redaction_fields` says what each field holds.
The same secret has the same pseudonym everywhere: in ids, samples, predictions and every form of the report.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, overload

from . import readings, records
from .frames import SCORE_PREFIX, storable
from .records import DelegateKind, RunRecord
from .redaction_fields import FIELDS, LONE_FLAGS, TELLING_FLAGS, Kind
from .scrubbing import PSEUDONYM, Scrubber, Secrets, is_file, last_part, secrets_in
from .store import StoredRun

if TYPE_CHECKING:
    import pandas as pd

_SOURCES = ("folder", "ham10000", "images")
_FIGURE = re.compile(r"[-+]?\d[\d.,:x]*\s*(?:%|ns|us|ms|s|m|min|h|[kMG]i?B|pt)?")
_COUNTED = {
    "host": ("host name", "host names"),
    "user": ("user name", "user names"),
    "device": ("device", "devices"),
    "path": ("path", "paths"),
    "address": ("address", "addresses"),
    "image": ("image id", "image ids"),
    "lesion": ("lesion id", "lesion ids"),
}


@dataclass(frozen=True)
class Redacted:
    """A run that tells nothing of its place. ``removed`` has how many different things of each kind were replaced."""

    run: StoredRun
    removed: Mapping[str, int]

    @property
    def line(self) -> str:
        """What was removed, for people."""
        told = [f"{self.removed[kind]:,} {one if self.removed[kind] == 1 else many}"
                for kind, (one, many) in _COUNTED.items() if self.removed.get(kind)]  # fmt: skip
        return f"redacted: {', '.join(told) or 'nothing here names a machine, a person or an image'}"


@overload
def redact(run: RunRecord) -> RunRecord: ...
@overload
def redact(run: StoredRun) -> StoredRun: ...
def redact(run: RunRecord | StoredRun) -> RunRecord | StoredRun:
    """Return a record or a run without host and user names, devices, paths, addresses and ids of images.

    Figures, and the names of models, variants, classes and processors stay. A run's ``folder`` is None.
    """
    from .whereabouts import secrets_here

    if isinstance(run, RunRecord):
        return _Redactor(run, None, secrets_here()).record()
    return redact_run(run, secrets_here()).run


def redact_run(run: StoredRun, known: Secrets) -> Redacted:
    """Return a run without what tells of its place; ``known`` are secrets beside those that the record shows."""
    redactor = _Redactor(run.record, run.predictions, known)
    record = redactor.record()
    samples = run.samples.assign(case=_told(run.samples["case"], redactor.case).astype("category"))
    predictions = None if run.predictions is None else redactor.predictions(run.predictions)
    return Redacted(StoredRun(record, samples, predictions), redactor.removed())


def texts_of(value: object) -> Iterator[str]:
    """Yield every text inside a record, keys of mappings included; members of enums are none."""
    if isinstance(value, Enum):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts_of(key)
            yield from texts_of(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from texts_of(item)
    elif is_dataclass(value):
        for one in fields(value):
            yield from texts_of(getattr(value, one.name))


@functools.cache
def own_words() -> frozenset[str]:
    """Return the names of the record's fields and the values of its choices: nobody's, even where one is called so."""
    kinds = [kind for kind in (vars(readings) | vars(records)).values() if isinstance(kind, type)]
    names = {one.name for kind in kinds if is_dataclass(kind) for one in fields(kind)}
    return frozenset(names | {str(item.value) for kind in kinds if issubclass(kind, Enum) for item in kind})


@dataclass
class _Names:
    """Names as they may be told; two that differ stay different."""

    scrubber: Scrubber
    told: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str) -> str:
        if name not in self.told:
            text, taken, number = self.scrubber.text(name), set(self.told.values()), 1
            shown = text
            while shown in taken:
                number += 1
                shown = f"{text}-{number}"
            self.told[name] = shown
        return self.told[name]


class _Redactor:
    """Redacts one record and the frames beside it."""

    def __init__(self, record: RunRecord, predictions: pd.DataFrame | None, known: Secrets) -> None:
        self._record = record
        texts = tuple(dict.fromkeys(texts_of(record)))
        skipped = [image.image_id for image in record.data.skipped] if record.data else []
        evaluated = [] if predictions is None else predictions["image_id"].unique().tolist()
        lesions = [] if predictions is None else predictions["lesion_id"].dropna().unique().tolist()
        self._images = _numbered("image", map(str, [*evaluated, *map(storable, skipped)]))
        self._lesions = _numbered("lesion", map(str, lesions))
        self._models = frozenset(case.model for case in record.cases)
        named = self._models | {case.variant for case in record.cases} | set(_labels(record))
        secrets = _told_by(record) | secrets_in(texts) | known
        addresses = {device.address: device.name for device in reversed(record.devices) if device.address}
        self._scrubber = Scrubber(secrets, "\n".join(texts), self._images, frozenset(named), addresses)
        self._name, self.case = _Names(self._scrubber), _Names(self._scrubber)
        self._ways: Mapping[Kind, Callable[[str], str]] = {
            Kind.WORD: self._scrubber.text,
            Kind.TEXT: self._scrubber.text,
            Kind.NAME: self._name,
            Kind.CASE: self.case,
            Kind.DEVICE: self._scrubber.device,
            Kind.HOST: self._scrubber.host,
            Kind.PATH: self._scrubber.path,
            Kind.SOURCE: self._source,
            Kind.VALUE: self._value,
            Kind.IMAGE: lambda name: self._images[storable(name)],
        }

    def record(self) -> RunRecord:
        """Return the record redacted."""
        for case in self._record.cases:  # first, so that ids stay apart in the record's order
            self.case(case.case_id)
        redacted: RunRecord = self._walk(self._record, Kind.TEXT)
        return redacted

    def predictions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return predictions with other ids, of cases, images and lesions alike."""
        columns = {
            name: f"{SCORE_PREFIX}{self._name(name.removeprefix(SCORE_PREFIX))}"
            for name in frame.columns
            if name.startswith(SCORE_PREFIX)
        }
        return frame.assign(
            case=_told(frame["case"], self.case).astype("category"),
            image_id=_told(frame["image_id"], self._images.__getitem__),
            lesion_id=_told(frame["lesion_id"], self._lesions.__getitem__),
            label=_told(frame["label"], self._name),
        ).rename(columns=columns)

    def removed(self) -> dict[str, int]:
        """Return how many different things of each kind were replaced."""
        counts = {kind: len(found) for kind, found in self._scrubber.found.items()}
        return {**counts, "image": len(self._images), "lesion": len(self._lesions)}

    def _walk(self, value: Any, kind: Kind) -> Any:
        if isinstance(value, Enum):
            return value
        if isinstance(value, str):
            return value if kind is Kind.WORD and value in own_words() else self._ways[kind](value)
        if isinstance(value, Mapping):
            return {self._key(key, kind): self._walk(item, kind) for key, item in value.items()}
        if isinstance(value, tuple):
            if kind is Kind.COMMAND:
                return tuple(self._command(value))
            return tuple(self._walk(item, kind) for item in value)
        if is_dataclass(value) and not isinstance(value, type):
            kinds = FIELDS.get(type(value).__name__, {})
            return replace(value, **{
                one.name: self._walk(getattr(value, one.name), kinds.get(one.name, Kind.TEXT)) for one in fields(value)
            })  # fmt: skip
        return value

    def _key(self, key: Any, kind: Kind) -> Any:
        return key if key in own_words() else self._walk(key, kind)

    def _source(self, source: str) -> str:
        kind, colon, folder = source.partition(":")
        if not colon or kind.strip().lower() not in _SOURCES:
            return self._scrubber.text(source)
        return f"{kind}:{self._hidden(folder)}"

    def _hidden(self, path: str) -> str:
        return path if PSEUDONYM.fullmatch(path) else self._scrubber.name("path", path)

    def _value(self, text: str) -> str:
        """Return an option's value: a path may be short of a root."""
        return self._place(text) if re.search(r"[/\\]", text) else self._scrubber.text(text)

    def _command(self, words: Sequence[str]) -> Iterator[str]:
        flag: str | None = None
        for position, word in enumerate(words):
            if flag is not None:
                yield self._flag_value(flag, word)
                flag = None
            elif word.startswith("--"):
                name, equals, value = word.partition("=")
                yield self._scrubber.text(name) + (f"={self._flag_value(name, value)}" if equals else "")
                flag = None if equals or name in LONE_FLAGS else name
            else:
                known = position < 2 and word in ("edgebench", "run")
                yield word if known else self._place(word)

    def _flag_value(self, flag: str, value: str) -> str:
        if flag in TELLING_FLAGS or _FIGURE.fullmatch(value):
            return self._scrubber.text(value)
        if flag == "--data":
            return self._source(value)
        if flag == "--device":
            return ",".join(map(self._scrubber.device, value.split(",")))
        return self._place(value)

    def _place(self, word: str) -> str:
        """Return where a command says something is: its last part where that is a file's or a model's name."""
        before, sign, path = "", "", word
        for mark in ("=", "external:"):  # MODEL/VARIANT=FILE, NAME=PYTHON, KEY=VALUE, external:LIBRARY
            left, found, right = path.partition(mark)
            if found:
                before, sign, path = before + sign + left, found, right
        start = self._scrubber.text(before) + sign
        name = last_part(path)
        plain = PSEUDONYM.fullmatch(path) or all(part in _PLAIN_VALUES for part in path.split(","))
        if plain or ("://" in path and " " not in path):
            return start + self._scrubber.text(path)
        if name in self._models and not is_file(name):
            return start + self._scrubber.text(name)
        return start + (self._scrubber.path(path) if is_file(name) else self._hidden(path))


#: Values of flags that take a path or one of these.
_PLAIN_VALUES = frozenset(
    {"", "latest", "phantom", "local", "official", "litert", *(kind.value for kind in DelegateKind)}
)


def _told_by(record: RunRecord) -> Secrets:
    """Return the secrets that have a field of their own in a record."""
    paths = [case.file.path for case in record.cases] + [item.path for item in record.rejected]
    paths += [path for case in record.cases for path in (case.delegate.library, case.python_path) if path]
    folders = [path.rpartition("/")[0] for path in paths]
    paths += [folder for folder in folders if "/" in folder]
    paths += [word for word in record.command if "/" in word and "://" not in word and not word.startswith("-")]
    if record.data is not None and record.data.source.partition(":")[0] in _SOURCES:
        paths.append(record.data.source.partition(":")[2])
    named = {case.model for case in record.cases} | set(_labels(record))
    hosts = [record.environment.hostname, *(device.environment.hostname for device in record.devices)]
    devices = [case.device for case in record.cases]
    devices += [name for device in record.devices for name in (device.name, device.address) if name]
    return Secrets(
        hosts=tuple(dict.fromkeys(hosts)),
        devices=tuple(dict.fromkeys(devices)),
        paths=tuple(dict.fromkeys(path for path in paths if path not in named)),
    )


def _labels(record: RunRecord) -> Iterator[str]:
    for case in record.cases:
        yield from case.accuracy.labels if case.accuracy else ()


def _numbered(kind: str, names: Iterable[str]) -> dict[str, str]:
    """Return pseudonyms in the names' own order, so that they do not hang on the order of anything else."""
    ordered = sorted(set(names))
    width = max(4, len(str(len(ordered))))
    return {name: f"{kind}-{number:0{width}d}" for number, name in enumerate(ordered, 1)}


def _told(column: pd.Series[Any], tell: Callable[[str], str]) -> pd.Series[Any]:
    """Return a column as it may be told; what is absent stays so."""
    names = {name: tell(str(name)) for name in column.dropna().unique().tolist()}
    return column.astype("object").map(names).where(column.notna(), None)
