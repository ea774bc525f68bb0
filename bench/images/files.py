"""Finding image files and folders on disk."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
_LFS_START = b"version https://git-lfs"
_WINDOWS_PATH = re.compile(r"^([A-Za-z]:[\\/]|\\\\)")


@dataclass(frozen=True)
class Listing:
    """The visible content of one folder, sorted by name."""

    images: tuple[Path, ...]
    folders: tuple[Path, ...]
    others: tuple[Path, ...]


def list_folder(folder: Path) -> Listing:
    """The images, sub-folders and other files in ``folder``; hidden ones and ``__MACOSX`` are left out.

    An image is anything but a folder with an image's suffix, so that broken links are found and can be
    reported. Raises DataError where the folder cannot be read.
    """
    images, folders, others = [], [], []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda found: found.name):
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                path = folder / entry.name
                if entry.is_dir():
                    folders.append(path)
                elif is_image_name(entry.name):
                    images.append(path)
                else:
                    others.append(path)
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read ({error.strerror}); check its permissions") from error
    return Listing(tuple(images), tuple(folders), tuple(others))


def is_image_name(name: str) -> bool:
    """Whether a file of this name is expected to be an image."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def without_image_suffix(name: str) -> str:
    """``name`` without .jpg and the like; other dots belong to the name."""
    return name[: -len(PurePath(name).suffix)] if is_image_name(name) else name


def is_lfs_pointer(start: bytes) -> bool:
    """Whether a file that starts with these bytes is a Git LFS pointer in place of the real file."""
    return start.startswith(_LFS_START)


def user_path(text: str | Path) -> Path:
    """``text`` as an absolute path, ``~`` expanded. Raises DataError where the home folder is unknown."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise DataError(f"{text}: no such user's home folder; write the path in full") from error


def existing_folder(text: str) -> Path:
    """The folder that a person named, as an absolute path.

    Raises DataError where it is missing, a file, a zip archive, or a Windows path on another system.
    """
    folder = user_path(text)
    try:
        if folder.is_dir():
            return folder
    except OSError as error:
        raise DataError(f"folder {folder} cannot be reached ({error.strerror}); check the path") from error
    if os.name != "nt" and (_WINDOWS_PATH.match(text) or "\\" in text):
        raise DataError(
            f"{text} is a Windows path and this is not Windows; write it with / as seen from here (WSL: /mnt/c/...)"
        )
    if not os.path.lexists(folder):
        raise DataError(f"folder {folder} does not exist or cannot be reached; check the path")
    if folder.suffix.lower() == ".zip" or zipfile.is_zipfile(folder):
        raise DataError(f"{folder} is a zip archive; unpack it and give the folder")
    if folder.suffix.lower() == ".csv":
        raise DataError(f"{folder} is a file; give the folder with the images and pass this one with --metadata")
    raise DataError(f"{folder} is not a folder; give the folder with the images")
