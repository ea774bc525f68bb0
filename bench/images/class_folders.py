"""The ``folder:DIR`` source: one sub-folder per class."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from .files import Listing, existing_folder, list_folder, without_image_suffix
from .items import Dataset, ImageItem, ImageProblem, some_names

_SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "eval"})


def open_class_folders(source: str, location: str) -> Dataset:
    """The data set whose classes are the sub-folders of ``location``.

    Image ids are paths relative to ``location`` without suffix, with ``/`` on every system. A class folder
    without images is no class. Images next to the class folders count as ``images_without_row``. Raises
    DataError for train/test folders, images deeper than one level, or no images at all.
    """
    root = existing_folder(location)
    top = list_folder(root)
    contents = {folder: list_folder(folder) for folder in top.folders}
    _refuse_splits(root, contents)
    _refuse_deeper_images(root, contents)
    items: list[ImageItem] = []
    problems: list[ImageProblem] = []
    taken: dict[str, Path] = {}
    for folder, listing in contents.items():
        for path in listing.images:
            image_id = f"{folder.name}/{without_image_suffix(path.name)}"
            if image_id in taken:
                problems.append(ImageProblem(image_id, path, f"same id as another image: {taken[image_id].name}"))
                continue
            taken[image_id] = path
            items.append(ImageItem(image_id, path, folder.name))
    if not items:
        raise _nothing_found(root, top)
    classes = sorted({folder.name for folder, listing in contents.items() if listing.images})
    return Dataset(source, tuple(items), tuple(classes), problems=tuple(problems), images_without_row=len(top.images))


def _refuse_splits(root: Path, contents: dict[Path, Listing]) -> None:
    splits = [
        folder
        for folder, listing in contents.items()
        if folder.name.lower() in _SPLIT_NAMES and listing.folders and not listing.images
    ]
    if splits:
        names = ", ".join(folder.name for folder in splits)
        raise DataError(
            f"{root} is split into {names}, with the classes one level deeper; give one of them, such as "
            f"folder:{splits[0]}"
        )


def _refuse_deeper_images(root: Path, contents: dict[Path, Listing]) -> None:
    for folder, listing in contents.items():
        for deeper in listing.folders:
            if not list_folder(deeper).images:
                continue
            if listing.images:
                raise DataError(
                    f"class folder {folder} also has images one level deeper, in {deeper.name}; "
                    "move them up or out, classes are one level"
                )
            raise DataError(
                f"{root} has no images one level down but in {folder.name}/{deeper.name}; "
                f"classes are one level, so give folder:{folder} or move the images up"
            )


def _nothing_found(root: Path, top: Listing) -> DataError:
    if top.images:
        return DataError(
            f"{root} has {len(top.images)} images but no class folders; put each class in a sub-folder, "
            f"or give labels with ham10000:{root} and --metadata FILE"
        )
    if top.folders:
        names = some_names(folder.name for folder in top.folders)
        return DataError(f"no images in the sub-folders of {root} ({names}); check the path")
    return DataError(f"folder {root} is empty; expected one sub-folder with images per class")
