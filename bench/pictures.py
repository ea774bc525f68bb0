"""Small pictures for a run's page: from the pixels that were just evaluated, or read again for a stored run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .errors import DataError, EdgebenchError
from .frames import storable
from .images.dataset import open_dataset
from .images.geometry import Geometry, ResizeMode
from .images.thumbnails import cached_thumbnails, file_thumbnails
from .records import RunRecord

if TYPE_CHECKING:
    from .evaluation import Evaluator
    from .report.flips import Pictures
    from .store import StoredRun

LEFT_OUT = "they were left out (--no-images)"
REDACTED = "they were left out (--redact)"


def no_pictures(reason: str = LEFT_OUT) -> Pictures:
    """Return the pictures of a page that shall have none."""
    from .report.flips import Pictures

    return Pictures(reason=reason)


def evaluated_pictures(run: StoredRun, evaluator: Evaluator) -> Pictures:
    """Return pictures of the images whose answers changed, from the pixels that the models were given."""
    from .report.flips import Pictures

    wanted = _wanted(run)
    if not wanted:
        return Pictures()
    try:
        found: dict[str, bytes] = {}
        for cached in evaluator.decoded:
            ids = [item.image_id for item in cached.items if storable(item.image_id) in wanted]
            found |= {storable(image_id): jpeg for image_id, jpeg in cached_thumbnails(cached, ids).items()}
    except DataError as error:
        return Pictures(reason=str(error))
    return Pictures(found)


def stored_pictures(run: StoredRun) -> Pictures:
    """Return pictures of the images whose answers changed, read again where the run had them, or why there are none.

    Images that are not there any more stay without a picture.
    """
    from .report.flips import Pictures

    wanted = _wanted(run)
    geometry = _geometry(run.record)
    if not wanted or run.record.data is None or geometry is None:
        return Pictures()
    source = run.record.data.source
    try:
        dataset = open_dataset(source)
        ids = [item.image_id for item in dataset.items if storable(item.image_id) in wanted]
        found = file_thumbnails(dataset, ids, geometry)
    except (EdgebenchError, OSError) as error:
        return Pictures(reason=f"the images are not at hand now ({error})")
    if not found:
        return Pictures(reason=f"none of these images is in {source} now")
    return Pictures({storable(image_id): jpeg for image_id, jpeg in found.items()})


def _wanted(run: StoredRun) -> set[str]:
    from .report.flips import pictured_ids
    from .report.naming import name_cases

    return set(pictured_ids(run.record, name_cases(run.record.cases), run.predictions))


def _geometry(record: RunRecord) -> Geometry | None:
    used: Iterable[Geometry] = (
        Geometry(case.preprocessing.height, case.preprocessing.width, case.preprocessing.channels,
                 ResizeMode(case.preprocessing.resize))
        for case in record.cases
        if case.preprocessing
    )  # fmt: skip
    return next(iter(used), None)
