"""Choosing the images that a model has not learnt from, and saying how that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ..errors import DataError, UsageError
from .items import Dataset, ImageItem
from .splits import Part, Split, content_digests, lesion_of

_DIGITS_SHOWN = 8


class SplitChoice(str, Enum):
    """Which part of a card's split to evaluate."""

    TEST = "test"
    VALIDATION = "validation"
    TRAIN = "train"
    ALL = "all"


@dataclass(frozen=True)
class ModelSplit:
    """The split a model was trained with, as its card names it."""

    model: str
    split: Split
    sha256: str


@dataclass(frozen=True)
class Selection:
    """The images to evaluate, and one line for each thing to know about them."""

    dataset: Dataset
    notes: tuple[str, ...] = ()


def select_images(
    dataset: Dataset,
    splits: Sequence[ModelSplit],
    choice: SplitChoice | None,
    unsplit_models: Sequence[str] = (),
) -> Selection:
    """Take the part of ``dataset`` that every model's split allows.

    Without ``choice`` that is the test part. Images that a split does not list are kept where neither their
    lesion nor their content is among those the model was trained with. ``unsplit_models`` have no split: what
    they saw is unknown, and the notes say so. Raises UsageError for a ``choice`` where no card has a split,
    DataError where nothing is left.
    """
    if not splits:
        if choice not in (None, SplitChoice.ALL):
            raise UsageError(
                f"--split {choice.value if choice else ''}: no model here has a card with a split; leave it out"
            )
        return Selection(dataset)
    chosen = choice or SplitChoice.TEST
    notes: list[str] = []
    selected = dataset
    distinct = {item.sha256: item for item in splits}
    for model_split in distinct.values():
        models = ", ".join(dict.fromkeys(item.model for item in splits if item.sha256 == model_split.sha256))
        selected, note = _Judge(model_split, models, len(distinct) > 1).judge(selected, chosen)
        notes.append(note)
    if not selected.items:
        several = "the models' splits have no image in common there" if len(distinct) > 1 else "none is in that part"
        raise DataError(f"{dataset.source}: no image is left for --split {chosen.value}: {several}")
    if unsplit_models:
        notes.append(f"whether {', '.join(unsplit_models)} saw these images in training is not known (no split)")
    return Selection(selected, tuple(notes))


@dataclass(frozen=True)
class _Judge:
    model_split: ModelSplit
    models: str
    named: bool

    def judge(self, dataset: Dataset, choice: SplitChoice) -> tuple[Dataset, str]:
        listed = {row.image_id: row for row in self.model_split.split.rows}
        own = [
            item
            for item in dataset.items
            if item.image_id in listed and item.lesion_id in (None, listed[item.image_id].lesion_id)
        ]
        own_ids = {item.image_id for item in own}
        others = [item for item in dataset.items if item.image_id not in own_ids]
        if choice is SplitChoice.ALL:
            return dataset, self._all_note(len(own), sum(self._in_training(listed[i.image_id].part) for i in own))
        part = Part(choice.value)
        wanted = {item.image_id for item in own if listed[item.image_id].part is part}
        unseen = self._unseen(others) if others and part is Part.TEST else set()
        kept = tuple(item for item in dataset.items if item.image_id in wanted or item.image_id in unseen)
        note = self._own_note(part, [item for item in kept if item.image_id in wanted])
        if others and part is Part.TEST:
            note = self._others_note(others, unseen, note if wanted else "")
        return replace(dataset, items=kept, problems=() if own else dataset.problems), note

    def _unseen(self, others: Sequence[ImageItem]) -> set[str]:
        rows = [row for row in self.model_split.split.rows if self._in_training(row.part)]
        lesions, contents = {row.lesion_id for row in rows}, {row.content for row in rows}
        readable = [item for item in others if item.recipe is not None or item.path.is_file()]
        digests = content_digests(readable)
        return {
            item.image_id
            for item in others
            if lesion_of(item) not in lesions and digests.get(item.image_id) not in contents
        }

    def _own_note(self, part: Part, kept: Sequence[ImageItem]) -> str:
        counts = self.model_split.split.counts()
        images, lesions = len(kept), len({lesion_of(item) for item in kept})
        head = f"{part.value} split of the card{self._about()}: {images} images of {lesions} lesions"
        if part is not Part.TEST:
            used = "learnt from" if part is Part.TRAIN else "used to choose the model"
            return f"{head}, which were {used}: not an estimate for new images ({self._digest()})"
        seen = self._training_lesions()
        overlap = {lesion_of(item) for item in kept} & seen
        if overlap:
            raise DataError(
                f"{len(overlap)} lesions of the card's test part are in its training part too; the split is damaged"
            )
        total = counts["train"]["lesions"] + counts["validation"]["lesions"]
        return f"{head}, none of them among the {total} lesions of training and validation ({self._digest()})"

    def _others_note(self, others: Sequence[ImageItem], unseen: set[str], own_note: str) -> str:
        dropped = len(others) - len(unseen)
        known = sum(item.lesion_id is not None for item in others)
        how = "lesion ids and file contents" if known else "file contents (these images have no lesion ids)"
        text = (
            f"{len(unseen)} images are not in the card's split{self._about()}; compared by {how} with its "
            f"{len(self._training_lesions())} lesions of training and validation, {dropped} more were among them "
            f"and were left out ({self._digest()})"
        )
        return f"{own_note}; {text}" if own_note else text

    def _all_note(self, own: int, trained: int) -> str:
        if not own:
            return f"all images, none of which is in the card's split{self._about()} ({self._digest()})"
        return (
            f"WARNING: {trained} of these images are of lesions that {self.models} was trained or chosen with: "
            f"this accuracy is too good to be true for new images ({self._digest()})"
        )

    def _training_lesions(self) -> set[str]:
        return {row.lesion_id for row in self.model_split.split.rows if self._in_training(row.part)}

    def _about(self) -> str:
        return f" of {self.models}" if self.named else ""

    def _digest(self) -> str:
        return f"split.csv sha256 {self.model_split.sha256[:_DIGITS_SHOWN]}…"

    @staticmethod
    def _in_training(part: Part) -> bool:
        return part is not Part.TEST
