"""Machines written down as text, laid out as real files for the readers."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "fixtures" / "truth"


def lay_out(name: str, root: Path) -> Path:
    """Write the files of the machine ``name`` below ``root`` and return it."""
    path, lines = "", list[str]()
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    for line in [*text.splitlines(), "== "]:
        if line.startswith("== "):
            if path:
                put(root, path, "\n".join(lines).replace("\\0", "\0"))
            path, lines = line[3:], []
        elif path:
            lines.append(line)
    return root


def put(root: Path, path: str, content: str) -> None:
    """Write one file below ``root``, as the kernel ends it; a path that ends in / is a folder."""
    place = root / path.lstrip("/")
    if path.endswith("/"):
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(f"{content}\n".encode() if content else b"")
