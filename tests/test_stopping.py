from __future__ import annotations

from typing import Any

import pytest
from edgebench.devices.base import WorkerLink
from edgebench.errors import DeviceLost, RuntimeRefused, WorkerDied
from edgebench.estimate import TimeSpan
from edgebench.stopping import Stop, StoppableProgress
from fake_runs import Recording


class Link(WorkerLink):
    """Answers, or ends in an error; ``stop`` is asked for while it works."""

    def __init__(self, error: Exception | None = None, stop: Stop | None = None) -> None:
        self.error = error
        self.stop = stop
        self.asked: list[str] = []
        self.limit = 0

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        self.asked.append(command)
        if self.stop is not None:
            self.stop.ask()
        if self.error is not None:
            raise self.error
        return {"fields": fields, "timeout_s": timeout_s}

    def send(self, command: str, **_: Any) -> None:
        self.asked.append(f"send {command}")

    def receive(self, command: str, timeout_s: float) -> dict[str, Any]:
        return self.request(f"receive {command}", timeout_s)

    def answer_pipe(self) -> int | None:
        return 7

    def watch_memory(self, command: str) -> float | None:
        return 0.5 if command == "load" else None

    def limit_memory(self, limit_bytes: int) -> None:
        self.limit = limit_bytes

    def close(self) -> None:
        self.asked.append("close")

    def abort(self) -> None:
        self.asked.append("abort")


def test_a_link_is_as_it_is_until_it_shall_stop() -> None:
    stop, link = Stop(), Link()
    watched = stop.watched(link)
    assert watched.request("load", 2.0, seed=1) == {"fields": {"seed": 1}, "timeout_s": 2.0}
    watched.send("predict")
    assert watched.receive("predict", 1.0) == {"fields": {}, "timeout_s": 1.0}
    assert (watched.answer_pipe(), watched.watch_memory("load"), watched.watch_memory("burst")) == (7, 0.5, None)
    watched.limit_memory(5)
    watched.close()
    assert link.limit == 5
    assert link.asked == ["load", "send predict", "receive predict", "close"]


@pytest.mark.parametrize("ask", ["request", "send", "receive"])
def test_it_is_told_once_and_can_clean_up_after_that(ask: str) -> None:
    stop, link = Stop(), Link()
    watched = stop.watched(link)
    stop.ask()
    arguments = ("burst",) if ask == "send" else ("burst", 1.0)
    with pytest.raises(KeyboardInterrupt):
        getattr(watched, ask)(*arguments)
    assert link.asked == []
    watched.request("drop_scratch", 1.0)
    assert link.asked == ["drop_scratch"]


@pytest.mark.parametrize("error", [WorkerDied("killed"), DeviceLost("closed")])
def test_an_error_while_it_is_stopped_is_no_fault_of_the_case(error: Exception) -> None:
    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        stop.watched(Link(error, stop)).request("burst", 1.0)


def test_other_errors_are_as_they_are() -> None:
    stop = Stop()
    with pytest.raises(RuntimeRefused, match="no"):
        stop.watched(Link(RuntimeRefused("no"))).request("load", 1.0)


def test_only_workers_that_are_open_are_killed() -> None:
    stop, links = Stop(), (Link(), Link())
    stop.watched(links[0]).close()
    stop.watched(links[1])
    stop.abort()
    assert [link.asked for link in links] == [["close"], ["abort"]]


def test_whatever_tells_of_progress_hears_of_it() -> None:
    def tell(progress: StoppableProgress) -> None:
        progress.phase("timing", 3)
        progress.detail("a")
        progress.detail_count(1, 2)
        progress.sending(1, 2)
        progress.left(TimeSpan(1.0, 2.0))
        progress.advance()
        progress.skip(2)

    heard, stop = Recording(), Stop()
    tell(StoppableProgress(heard, stop))
    assert heard.phases == [["timing", 3, 3]]
    calls: list[tuple[Any, ...]] = [
        ("phase", "x", 1),
        ("detail", "a"),
        ("detail_count", 1, 2),
        ("sending", 1, 2),
        ("left", None),
        ("advance",),
        ("skip", 1),
    ]
    for name, *arguments in calls:
        stopped = Stop()
        stopped.ask()
        with pytest.raises(KeyboardInterrupt):
            getattr(StoppableProgress(heard, stopped), name)(*arguments)
    assert heard.phases == [["timing", 3, 3]]
