"""Takes names of machines and people, paths and addresses out of one text, the same way in every text of a run."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath, PureWindowsPath

from .records import Engine

#: Devices whose names say nothing.
PLAIN_DEVICES = frozenset({"local", "fake"})
#: Names that half the world's machines and accounts have: they tell nobody, and stand in texts with another meaning.
_COMMON = frozenset({
    "admin", "android", "cpu", "debian", "default", "dynamic", "fake", "float16", "float32", "gpu", "guest",
    "home", "host", "int16x8", "int8", "litert", "local", "localhost", "nobody", "none", "pi", "root", "runner",
    "shell", "tf", "tflite", "ubuntu", "uint8", "user", "users", "vm",
})  # fmt: skip
_LEAST_LETTERS = 3
#: What a file's name may keep: its kind says that it is one, and its name what was measured.
_FILES = "tflite|so(?:\\.\\d+)*|dll|dylib|keras|h5|json|jsonl|txt|csv|parquet|html|md|py|whl|toml"
_IMAGES = "jpe?g|png|bmp|gif|tiff?|webp|ppm"
_FILE_NAME = re.compile(rf"\.(?:{_FILES})$", re.IGNORECASE)
_IMAGE_NAME = re.compile(rf"\.(?:{_IMAGES})$", re.IGNORECASE)
#: Files of the kernel are the same everywhere, and hints name them.
_KERNEL_FILES = re.compile(r"/(?:proc|sys|dev)(?:/|$)")
#: What was secret once.
PSEUDONYM = re.compile(r"(?:device|host|user|path|address|image|lesion)-\d+")

_END = r"\s'\"`:;,()<>|\[\]"
_SCHEME = re.compile(r"^(?:ssh|adb)://")
_ADDRESS = re.compile(rf"\b(?:ssh|adb)://[^{_END}/]+(?::\d+)?")
#: In a case's id the engine follows its device.
_ENGINES = "|".join(engine.value for engine in Engine)
_BEHIND_DEVICE = re.compile(rf"(?P<device>device-\d+)(?P<path>/(?!(?:{_ENGINES})\.)[^{_END}]+)")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"`;,()<>|\[\]]+", re.IGNORECASE)
_USER_AT_HOST = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*")
_QUOTED_PATH = re.compile(r"(?<=['\"`])(?:~[\w.-]*|[A-Za-z]:)?[/\\][^'\"`\n]*(?=['\"`])")
#: A folder's name may hold spaces, where another part of the path follows.
_PATH = re.compile(
    rf"(?<![\w.~/\\])/(?:proc|sys|dev)(?:/[^{_END}]*)?(?!\w)"
    rf"|(?<![\w.~/\\])(?:~[\w.-]*)?/(?!/)(?:[^{_END}/]+(?: +[^{_END}/]+)*/)*[^{_END}/]*"
    rf"|(?<!\w)[A-Za-z]:[/\\][^{_END}]*|\\\\[^{_END}]+"
)
_RELATIVE = re.compile(
    rf"(?<![\w.~/\\-])(?:[^{_END}=/\\]+[/\\])+[^{_END}=/\\]+\.(?:{_FILES}|{_IMAGES})\b", re.IGNORECASE
)
_LONE_IMAGE = re.compile(rf"(?<![\w.-])[\w.-]+\.(?:{_IMAGES})\b", re.IGNORECASE)
#: Passes over whole paths of the kernel's settings.
_BEFORE_WORD = rf"(?<![\w.~/\\])/(?:proc|sys)/[^{_END}]*|(?<![A-Za-z0-9])"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_NUMBERS = re.compile(
    rf"(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?::\d+)?(?!\w|\.\w)"
    r"|(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])"
    r"|(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])"
    r"|(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){1,6}(?::[0-9A-Fa-f]{1,4}){1,6}(?:%\w+)?(?![\w:])"
)
_SERIAL = re.compile(
    r"(?P<before>\bserial(?:\s+n(?:o|umber)\.?)?\s*[:=]\s*|\badb\s+-s\s+)(?P<found>\S+)", re.IGNORECASE
)
_HOME_OWNER = re.compile(r"(?:/home/|/Users/|\\Users\\|/export/home/)([^\s/\\'\"`:;,()<>|]+)|(?<!\w)~([\w.-]+)/")


@dataclass(frozen=True)
class Secrets:
    """What is known to be told by nobody's business: in any text, whole words.

    ``devices`` are names of devices, ``paths`` files and folders as they were written, ``hosts`` and ``users`` names.
    """

    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __or__(self, other: Secrets) -> Secrets:
        """Return both together, each once."""
        return Secrets(
            *(
                tuple(dict.fromkeys((*mine, *theirs)))
                for mine, theirs in (
                    (self.hosts, other.hosts),
                    (self.users, other.users),
                    (self.devices, other.devices),
                    (self.paths, other.paths),
                )
            )
        )


def secrets_in(texts: Iterable[str]) -> Secrets:
    """Return the names that texts give away: owners of home folders, and who and where of ``ssh://who@where``."""
    hosts: list[str] = []
    users: list[str] = []
    for text in texts:
        users += [owner for found in _HOME_OWNER.findall(text) for owner in found if owner]
        for found in (*_ADDRESS.findall(text), *_USER_AT_HOST.findall(text)):
            user, host = split_address(found)
            if host not in PLAIN_DEVICES and not PSEUDONYM.fullmatch(host) and (user or "://" in found):
                hosts.append(host)
                users += [user] if user and "://" in found else []
    return Secrets(tuple(dict.fromkeys(hosts)), tuple(dict.fromkeys(users)))


def split_address(text: str) -> tuple[str, str]:
    """Return user (may be empty) and host or serial of ``ssh://user@host:port``, ``adb://SERIAL`` or ``user@host``."""
    rest = text.partition("://")[2] or text
    user, _, host = rest.rpartition("@")
    return user, re.sub(r":\d+$", "", host)


def host_names(name: str) -> tuple[str, ...]:
    """Return a host's name, and the parts of a full one: ``box.lab.org``, ``box`` and ``lab.org``."""
    short, _, domain = name.partition(".")
    return tuple(dict.fromkeys(part for part in (name, short, domain if "." in domain else "") if part))


@dataclass
class Scrubber:
    """Replaces secrets by pseudonyms, the same secret by the same one. ``found`` has what was replaced, by kind.

    ``images`` maps an image's id to its pseudonym, ``names`` are words that mean something else even where an image is
    called alike; ``corpus`` is where a pseudonym must not stand already; ``addresses`` maps devices' addresses to
    their names, since both are one device.
    """

    secrets: Secrets
    corpus: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    addresses: Mapping[str, str] = field(default_factory=dict)
    found: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        devices = [device for device in self.secrets.devices if not self.is_plain(device)]
        self._devices = _either(devices, after=r"(?<![\w.-])", before=r"(?![\w-]|\.\w)", exact=True)
        self._known_paths = _either(
            [path for path in self.secrets.paths if re.search(r"[/\\]", path) and path.strip("/\\")],
            after=r"(?<!\w)", before=rf"(?:[/\\][^{_END}]*)?(?![\w-])",
        )  # fmt: skip
        self._folders = _either(
            [path for path in self.secrets.paths if path and not re.search(r"[/\\]", path)],
            after=r"(?<![\w/\\.-])", before=rf"[/\\][^{_END}]*",
        )  # fmt: skip
        self._words = self._word_patterns()
        self._texts: dict[str, str] = {}

    def is_plain(self, device: str) -> bool:
        """Return whether a device's name tells nothing: this machine, or one that has a pseudonym already."""
        return device in PLAIN_DEVICES or PSEUDONYM.fullmatch(device) is not None

    def name(self, kind: str, secret: str) -> str:
        """Return the pseudonym of a secret, a new one where it has none."""
        known = self.found.setdefault(kind, {})
        if secret not in known:
            taken = set(known.values())
            numbers = (f"{kind}-{number}" for number in itertools.count(1))
            known[secret] = next(name for name in numbers if name not in taken and name not in self.corpus)
        return known[secret]

    def device(self, device: str) -> str:
        """Return a device's name as it may be told."""
        if self.is_plain(device):
            return device
        return self.name("device", self.addresses.get(_SCHEME.sub("", device), device))

    def host(self, host: str) -> str:
        """Return the pseudonym of a host, whatever it is called."""
        return host if not host or PSEUDONYM.fullmatch(host) else self.name("host", host)

    def path(self, path: str) -> str:
        """Return the name of a file whose kind is known, else a pseudonym: a folder's name can tell whose it is."""
        name = last_part(path)
        if _IMAGE_NAME.search(name):
            return self._image(path, name)
        if name == path and not is_file(name):
            return self._without_words(path)
        if PSEUDONYM.fullmatch(path):
            return path
        kept = self._without_words(name)
        if not is_file(name):
            return self.name("path", path)
        if name != path:
            self.found.setdefault("path", {})[path] = kept
        return kept

    def text(self, text: str) -> str:
        """Return a text without anything secret."""
        if text not in self._texts:
            self._texts[text] = self._scrubbed(text)
        return self._texts[text]

    def _scrubbed(self, text: str) -> str:
        text = _replaced(self._devices, text, self.device)
        text = _ADDRESS.sub(lambda found: self.device(found[0]), text)
        text = _BEHIND_DEVICE.sub(lambda found: f"{found['device']}/{self.path(found['path'])}", text)
        text = _URL.sub(lambda found: self._url(found[0]), text)
        text = _SERIAL.sub(lambda found: found["before"] + self._serial(found["found"]), text)
        text = _USER_AT_HOST.sub(lambda found: self._account(found[0]), text)
        text = _replaced(self._known_paths, text, self.path)
        text = _QUOTED_PATH.sub(lambda found: self._absolute(found[0]), text)
        text = _PATH.sub(lambda found: self._absolute(found[0]), text)
        text = _replaced(self._folders, text, self.path)
        text = _RELATIVE.sub(lambda found: self.path(found[0]), text)
        text = _LONE_IMAGE.sub(lambda found: self.path(found[0]), text)
        text = _NUMBERS.sub(lambda found: self.name("address", found[0]), text)
        return self._without_words(text)

    def _without_words(self, text: str) -> str:
        for kind, pattern in self._words:
            text = pattern.sub(functools.partial(self._word, kind), text)
        return text

    def _word(self, kind: str, found: re.Match[str]) -> str:
        word = found[0]
        if word.startswith("/"):  # a file of the kernel: what stands there is no host, whatever this one is called
            return word
        if kind == "image":
            return self.images[word]
        known = self.found.get(kind, {})
        same = next((secret for secret in known if secret.lower() == word.lower()), word)
        return self.name(kind, same)

    def _word_patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        hosts = [part for host in self.secrets.hosts for part in host_names(host)]
        serials = [split_address(device)[1] for device in self.secrets.devices if not self.is_plain(device)]
        words = {"host": [*hosts, *serials], "user": [*self.secrets.users]}
        # Short ids (1, 2, 3) stand in any sentence, and tell nothing outside of their data set.
        words["image"] = [
            name for name in self.images if len(name) >= 4 and name in self.corpus and name not in self.names
        ]
        found = []
        for kind, names in words.items():
            telling = [name for name in names if _tells(name)]
            pattern = _either(telling, after=_BEFORE_WORD, before="(?![A-Za-z0-9])", exact=kind == "image")
            if pattern is not None:
                found.append((kind, pattern))
        return found

    def _absolute(self, path: str) -> str:
        return path if _KERNEL_FILES.match(path) or path in ("/", "\\") else self.path(path)

    def _url(self, url: str) -> str:
        scheme = url.partition("://")[0].lower()
        return self.path(url) if scheme == "file" else self.name("address", url)

    def _serial(self, text: str) -> str:
        return text if PSEUDONYM.fullmatch(text) else self.name("device", text)

    def _account(self, text: str) -> str:
        """Return ``user@host`` as it may be told. A case's id has its variant and device like this."""
        return text if self.is_plain(text.rpartition("@")[2]) else self.name("address", text)

    def _image(self, path: str, name: str) -> str:
        stem = name.rpartition(".")[0]
        for known in (path, name, stem):
            if known in self.images:
                return self.images[known]
        return self.name("path", path)


def _tells(name: str) -> bool:
    """Return whether a name can be looked for in sentences: short ones and common ones are words there."""
    return len(name) >= _LEAST_LETTERS and name.lower() not in _COMMON and not PSEUDONYM.fullmatch(name)


def is_file(name: str) -> bool:
    """Return whether a name is that of a file of a known kind, which tells what was measured, not where."""
    return _FILE_NAME.search(name) is not None


def last_part(path: str) -> str:
    """Return a path's last part, whichever system it is of."""
    kind = PureWindowsPath if "\\" in path else PurePath
    return kind(path).name or path


def _either(literals: Iterable[str], *, after: str, before: str, exact: bool = False) -> re.Pattern[str] | None:
    """Return a pattern of any of the literals, longest first, None where there are none."""
    ordered = sorted(set(literals), key=lambda text: (-len(text), text))
    if not ordered:
        return None
    return re.compile(f"{after}(?:{'|'.join(map(re.escape, ordered))}){before}", 0 if exact else re.IGNORECASE)


def _replaced(pattern: re.Pattern[str] | None, text: str, replace: Callable[[str], str]) -> str:
    return text if pattern is None else pattern.sub(lambda found: replace(found[0]), text)
