from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.classify import _CHUNK_NS, Classifier
from edgebench.devices.base import Device, WorkerLink
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.devices.local import LocalDevice
from edgebench.devices.process import ProcessLink
from edgebench.errors import MemoryExceeded, RuntimeRefused, ScoreError, WorkerDied, WorkerError, WorkerTimeout
from edgebench.evaluation import Reading
from edgebench.images.cache import CachedImages
from edgebench.images.geometry import Geometry, ResizeMode
from edgebench.images.items import ImageItem
from edgebench.launch import Launcher
from edgebench.outcome import Outcome
from edgebench.progress import Progress
from edgebench.records import Delegate, DelegateKind, Preprocessing
from waits.waiting import MS, S, fake, real_case, timed

PREPROCESSING = Preprocessing(8, 8, 3, "stretch", "-1..1", (127.5,), (127.5,), "card", "card")
TABLE = (np.arange(256, dtype=np.float32) / np.float32(127.5) - 1)[None]
LABELS = tuple("abcdefg")

Array = np.ndarray[Any, Any]


class Counts(Progress):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int, float | None]] = []

    def detail_count(self, done: int, total: int, per_s: float | None = None) -> None:
        self.heard.append((done, total, per_s))


def images(folder: Path, count: int, size: int = 8) -> CachedImages:
    """Return random images."""
    pixels = np.random.default_rng(5).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    items = tuple(ImageItem(f"i{number}", folder / "none.png", None, None) for number in range(count))
    return CachedImages(folder / "pixels.npy", items, (), Geometry(size, size, 3, ResizeMode.STRETCH))


def numbered(start: int, stop: int) -> Sequence[Sequence[float]]:
    """Return scores that tell the row."""
    return [[float(row)] * 7 for row in range(start, stop)]


def classified(
    device: Device, outcome: Outcome, what: CachedImages, workers: int | None, *, free: int | None = None,
    progress: Progress | None = None, memory_limit_bytes: int | None = None,
) -> Array:  # fmt: skip
    outcome.reading = Reading(PREPROCESSING, TABLE, LABELS)
    launcher = Launcher(device, 60.0, memory_limit_bytes)
    classifier = Classifier(device, launcher, progress or Progress(), lambda: free)
    with classifier.crew(outcome, len(what.items), workers) as crew:
        return crew.classify(what)


def on_fake(
    folder: Path, model: FakeModel, count: int, workers: int | None, *, latency_ns: int = 10 * MS, batch: int = 1,
    threads: int = 1, free: int | None = None, progress: Progress | None = None, delegate: Delegate | None = None,
) -> tuple[Array, FakeDevice]:  # fmt: skip
    device, case = fake(folder, model, threads=threads)
    case = case if delegate is None else replace(case, delegate=delegate)
    outcome = timed(case, latency_ns, batch=batch)
    try:
        return classified(device, outcome, images(folder, count), workers, free=free, progress=progress), device
    finally:
        assert device.open_workers == 0


def started(device: FakeDevice) -> int:
    return len({number for number, _ in device.log})


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("predict_ns", [0, 10 * MS, 900 * MS])
@pytest.mark.parametrize(("count", "batch"), [(1, 1), (100, 1), (101, 4)])
def test_every_image_has_its_own_scores_whoever_gave_them(
    tmp_path: Path, workers: int, predict_ns: int, count: int, batch: int
) -> None:
    scores, device = on_fake(tmp_path, FakeModel(scores=numbered, predict_ns=predict_ns), count, workers, batch=batch)
    assert scores.dtype == np.float32
    assert np.array_equal(scores, numbered(0, count))
    assert started(device) == min(workers, -(-count // batch))


def test_all_work_at_once_and_none_is_left_waiting_for_the_last(tmp_path: Path) -> None:
    spent = []
    for workers in (1, 4):
        _, device = on_fake(tmp_path, FakeModel(predict_ns=10 * MS), 2000, workers)
        spent.append(device.now_ns)
    assert spent[0] == pytest.approx(20 * S, rel=0.01)
    assert spent[1] == pytest.approx(5 * S, rel=0.1)  # the first requests are short


def test_no_request_is_long_and_short_ones_are_few(tmp_path: Path) -> None:
    _, device = on_fake(tmp_path, FakeModel(predict_ns=MS), 20_000, 2)
    asked = sum(command == "predict" for _, command in device.log)
    assert 20 * S / _CHUNK_NS <= asked <= 20 * S / _CHUNK_NS + 40


def test_progress_tells_images_a_second_of_all_workers_together(tmp_path: Path) -> None:
    progress = Counts()
    on_fake(tmp_path, FakeModel(predict_ns=10 * MS), 1000, 4, progress=progress)
    done, total, per_s = progress.heard[-1]
    assert (done, total) == (1000, 1000)
    assert per_s == pytest.approx(400, rel=0.1)
    assert [heard[0] for heard in progress.heard] == sorted({heard[0] for heard in progress.heard})


@pytest.mark.parametrize(
    ("count", "threads", "free", "wanted", "expected"),
    [
        (1000, 1, None, None, 4),  # as many as cores
        (1000, 2, None, None, 2),  # each has the case's threads
        (1000, 8, None, None, 1),
        (250, 1, None, None, 3),  # 2.5 s of work are worth three
        (14, 1, None, None, 1),
        (1000, 1, None, 6, 6),  # as was asked for
        (14, 2, None, 6, 6),
        (3, 1, None, 6, 3),
        (1000, 1, 200_000_000, None, 2),  # 60 % of 200 MB holds two of 50 MB
        (1000, 1, 200_000_000, 6, 2),
        (1000, 1, 1, 6, 1),
    ],
)
def test_how_many_workers(
    tmp_path: Path, count: int, threads: int, free: int | None, wanted: int | None, expected: int
) -> None:
    _, device = on_fake(tmp_path, FakeModel(), count, wanted, threads=threads, free=free)
    assert started(device) == expected


@pytest.mark.parametrize("delegate", [Delegate(DelegateKind.GPU), Delegate(DelegateKind.EXTERNAL, "lib.so")])
def test_an_accelerator_is_opened_once(tmp_path: Path, delegate: Delegate) -> None:
    _, device = on_fake(tmp_path, FakeModel(), 1000, 6, delegate=delegate)
    assert started(device) == 1


@pytest.mark.parametrize("command", ["hello", "load", "open_images", "predict"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_worker_that_dies_is_told_and_all_are_closed(tmp_path: Path, command: str, workers: int) -> None:
    device, case = fake(tmp_path, FakeModel(predict_ns=MS))
    device.lost.append(command)
    with pytest.raises(WorkerDied, match=f"during '{command}'"):
        classified(device, timed(case, MS), images(tmp_path, 100), workers)
    assert device.open_workers == 0


def test_one_that_refuses_on_the_way_ends_the_case(tmp_path: Path) -> None:
    def scores(start: int, stop: int) -> Sequence[Sequence[float]]:
        if start > 50:
            raise RuntimeRefused("no more")
        return numbered(start, stop)

    with pytest.raises(RuntimeRefused, match="no more"):
        on_fake(tmp_path, FakeModel(scores=scores, predict_ns=100 * MS), 200, 3)


@pytest.mark.parametrize("workers", [1, 3])
def test_another_number_of_scores_than_labels(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ScoreError, match="answered 3 scores an image, not 7"):
        on_fake(tmp_path, FakeModel(classes=3), 100, workers)


def test_ctrl_c_closes_all(tmp_path: Path) -> None:
    class Interrupting(Progress):
        def detail_count(self, done: int, total: int, per_s: float | None = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_fake(tmp_path, FakeModel(), 100, 3, progress=Interrupting())


def test_a_device_whose_workers_cannot_overlap_has_one(tmp_path: Path) -> None:
    class OneAtATime(FakeDevice):
        def start_worker(self, python: str) -> WorkerLink:
            link = super().start_worker(python)
            link.send = lambda command, **fields: WorkerLink.send(link, command, **fields)  # type: ignore[method-assign]
            return link

    case = fake(tmp_path, FakeModel())[1]
    device = OneAtATime({"one": FakeModel(scores=numbered)})
    assert np.array_equal(classified(device, timed(case, MS), images(tmp_path, 100), 3), numbered(0, 100))
    assert started(device) == 1
    assert device.open_workers == 0


@pytest.mark.parametrize(("name", "size"), [("batch4", 8), ("dynamic", 32)])
def test_real_workers_give_the_same_bits_however_many(tmp_path: Path, name: str, size: int) -> None:
    """A batch keeps its images together, and a dynamic range is that of one run."""
    what, device = images(tmp_path, 203, size), LocalDevice()
    case = real_case(name)
    batch = 4 if name == "batch4" else 1
    alone, together = (classified(device, timed(case, MS, batch=batch), what, workers) for workers in (1, 3))
    assert np.array_equal(alone, together)
    assert len(np.unique(alone, axis=0)) == 203


class Stopping(LocalDevice):
    """Sends a signal to its second worker before that is asked to classify, and gives it a second from then on."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.links: list[ProcessLink] = []
        self._number = number

    def start_worker(self, python: str) -> WorkerLink:
        link = super().start_worker(python)
        assert isinstance(link, ProcessLink)
        self.links.append(link)
        if len(self.links) == 2:
            send, receive = link.send, link.receive

            def spoiled(command: str, **fields: Any) -> None:
                if command == "predict":
                    os.kill(link.pid, self._number)
                send(command, **fields)

            def hurried(command: str, timeout_s: float) -> dict[str, Any]:
                return receive(command, 1.0 if command == "predict" else timeout_s)

            link.send, link.receive = spoiled, hurried  # type: ignore[method-assign]
        return link


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGKILL, WorkerDied), (signal.SIGSTOP, WorkerTimeout)], ids=["dies", "hangs"]
)
def test_a_real_worker_that_does_not_answer_while_the_other_does(
    tmp_path: Path, number: signal.Signals, error: type[WorkerError]
) -> None:
    """There is enough to do for the other to be heard often before anybody waits for the one that hangs."""
    device = Stopping(number)
    with pytest.raises(error, match="'predict'"):
        classified(device, timed(real_case("float32"), MS), images(tmp_path, 4000, 32), 2)
    assert [link._process.poll() is not None for link in device.links] == [True, True]


def test_the_memory_limit_holds_for_each(tmp_path: Path) -> None:
    with pytest.raises(MemoryExceeded):
        classified(
            LocalDevice(), timed(real_case("float32"), MS), images(tmp_path, 10, 32), 2, memory_limit_bytes=25_000_000
        )
