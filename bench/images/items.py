"""What a data set is: images with labels, and what could not be used and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError

_NAMES_SHOWN = 3


@dataclass(frozen=True)
class ImageItem:
    """One image to evaluate. ``lesion_id`` groups images of one lesion, where the source knows it.

    ``recipe`` is set where the image is generated and has no file: a text that fully determines it.
    """

    image_id: str
    path: Path
    label: str | None
    lesion_id: str | None = None
    recipe: str | None = None


@dataclass(frozen=True)
class ImageProblem:
    """One image that cannot be used.

    ``reason`` is ``what`` or ``what: detail``; problems are counted by ``what``.
    """

    image_id: str
    path: Path
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its detail."""
        return self.reason.split(": ", 1)[0]


@dataclass(frozen=True)
class Dataset:
    """Images with labels, in a fixed order.

    ``classes`` is sorted. ``problems`` are images that should be there and are not usable.
    ``rows_without_image`` counts metadata rows outside this subset, ``images_without_row`` image files that
    no row or class folder names (both are ignored), ``duplicate_rows`` identical metadata rows that were
    dropped. ``generated``: the images are drawn by a program.

    Raises DataError where two items share an image id.
    """

    source: str
    items: tuple[ImageItem, ...]
    classes: tuple[str, ...]
    problems: tuple[ImageProblem, ...] = ()
    rows_without_image: int = 0
    images_without_row: int = 0
    duplicate_rows: int = 0
    generated: bool = False

    def __post_init__(self) -> None:
        """Check that ids are unique."""
        repeated = [key for key, count in Counter(item.image_id for item in self.items).items() if count > 1]
        if repeated:
            raise DataError(
                f"{self.source}: {len(repeated)} image ids occur more than once ({some_names(repeated)}); "
                "give every image its own id"
            )

    def counts(self) -> dict[str, int]:
        """Images per class, for every class in order, zero included. Unlabelled images are not counted."""
        found = Counter(item.label for item in self.items)
        return {name: found[name] for name in self.classes}

    def subset(self, ids: Iterable[str]) -> Dataset:
        """The images (and problems) with these ids, in this data set's order; classes stay as they are.

        Raises DataError for an id that the data set does not know.
        """
        wanted = set(ids)
        known = {item.image_id for item in self.items} | {problem.image_id for problem in self.problems}
        unknown = sorted(wanted - known)
        if unknown:
            raise DataError(
                f"{self.source}: {len(unknown)} of the wanted image ids are not in the data set "
                f"({some_names(unknown)}); check that ids and data set belong together"
            )
        return replace(
            self,
            items=tuple(item for item in self.items if item.image_id in wanted),
            problems=tuple(problem for problem in self.problems if problem.image_id in wanted),
        )


def some_names(names: Iterable[str], shown: int = _NAMES_SHOWN) -> str:
    """The first few names on one line, with dots where there are more."""
    listed = list(names)
    text = ", ".join(" ".join(name.split()) for name in listed[:shown])
    return text + (", ..." if len(listed) > shown else "")
