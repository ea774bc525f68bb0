"""What a phantom data set is: its specification, and its listing (image, lesion, label)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from ...errors import UsageError
from .draws import Draws, Stream

#: Images per class in HAM10000 (Tschandl, Rosendahl, Kittler 2018): the "natural" proportions.
NATURAL_COUNTS = MappingProxyType(
    {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
)
LABELS = tuple(NATURAL_COUNTS)

MIN_SIZE = 32
MAX_SIZE = 1024
#: Ids carry seven digits, and the listing is held in memory.
MAX_COUNT = 1_000_000


@dataclass(frozen=True)
class PhantomSpec:
    """A phantom data set. Equal specifications give equal bytes on every machine.

    count: number of images. A longer data set starts with the shorter one.
    size: width and height in pixels; the same picture at every size, sensor noise apart.
    seed: every seed gives other lesions.
    balance: class proportions, from 0 (as in HAM10000, nv 67 %) to 1 (equal), linear between.
    multi_view: share of the lesions that have two or three images.
    overlap: chance that a trait of a lesion (shape, colours, one structure) is that of a class it is confused
        with in practice. 0 is the easiest; the default puts a small CNN at 70-80 % top-1.

    Raises UsageError for values out of range.
    """

    count: int
    size: int = 96
    seed: int = 0
    balance: float = 0.75
    multi_view: float = 0.3
    overlap: float = 0.06

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise UsageError(f"phantom: count {self.count} is not in 1..{MAX_COUNT}; choose another count")
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise UsageError(f"phantom: size {self.size} is not in {MIN_SIZE}..{MAX_SIZE} pixels; change it")
        if self.seed < 0:
            raise UsageError(f"phantom: seed {self.seed} is negative; use 0 or more")
        for name in ("balance", "multi_view", "overlap"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"phantom: {name} {value} is not between 0 and 1; choose a share")


@dataclass(frozen=True)
class PhantomImage:
    """One line of the listing. Images with the same lesion_id show one lesion."""

    image_id: str
    lesion_id: str
    label: str


def class_shares(balance: float) -> dict[str, float]:
    """Share of each class among the images, summing to 1; 0 = as in HAM10000, 1 = equal."""
    total = sum(NATURAL_COUNTS.values())
    return {label: (1.0 - balance) * count / total + balance / len(LABELS) for label, count in NATURAL_COUNTS.items()}


@lru_cache(maxsize=4)
def plan_phantom(spec: PhantomSpec) -> tuple[PhantomImage, ...]:
    """The listing of the data set, in order; the views of a lesion are neighbours.

    Each new lesion goes to the class that lags most behind its share, so every class keeps its share within a
    few images at any length. Cheap (no pixels) and cached.
    """
    shares = class_shares(spec.balance)
    given = dict.fromkeys(LABELS, 0)
    draws = Draws(spec.seed, Stream.PLAN)
    images: list[PhantomImage] = []
    lesion = 0
    while len(images) < spec.count:
        label = _most_lagging(shares, given, len(images), draws)
        views = 1
        if draws.chance(spec.multi_view):
            views = 2 if draws.chance(0.65) else 3
        for _ in range(views):
            images.append(PhantomImage(f"PHANTOM_{len(images):07d}", f"LESION_{lesion:07d}", label))
        given[label] += views
        lesion += 1
    return tuple(images[: spec.count])


def _most_lagging(shares: dict[str, float], given: dict[str, int], done: int, draws: Draws) -> str:
    # The jitter, of less than one image, keeps the order of the classes from being periodic.
    return max(LABELS, key=lambda label: shares[label] * (done + 1) - given[label] + draws.uniform(0.0, 0.8))
