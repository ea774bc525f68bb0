"""The ``images:DIR`` source: images without labels in one folder."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from .files import existing_folder, list_folder, without_image_suffix
from .items import Dataset, ImageItem, ImageProblem


def open_flat_folder(source: str, location: str) -> Dataset:
    """The image files in ``location``, sorted by name, none with a label: the data set has no classes.

    Image ids are file names without suffix. Raises DataError where no image is there, or sub-folders have images too:
    those are classes, or belong to another data set.
    """
    root = existing_folder(location)
    listing = list_folder(root)
    deeper = [folder for folder in listing.folders if list_folder(folder).images]
    if deeper:
        raise DataError(
            f"{root} has images in the folder {deeper[0].name} too; for one folder a class write folder:{root}, "
            f"for that folder alone images:{deeper[0]}"
        )
    if not listing.images:
        raise DataError(f"no images in {root}; images:DIR takes a folder of image files")
    items: list[ImageItem] = []
    problems: list[ImageProblem] = []
    taken: dict[str, Path] = {}
    for path in listing.images:
        image_id = without_image_suffix(path.name)
        if image_id in taken:
            problems.append(ImageProblem(image_id, path, f"same id as another image: {taken[image_id].name}"))
            continue
        taken[image_id] = path
        items.append(ImageItem(image_id, path, None))
    return Dataset(source, tuple(items), (), problems=tuple(problems))
