"""Several devices at the same time: each has a thread, and one that fails or drops out does not stop the others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .device_run import DeviceRun
from .errors import EdgebenchError

Found = TypeVar("Found")
#: A request to a worker takes less, unless the worker hangs.
_GRACE_S = 5.0
#: A killed worker's request ends at once.
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Ending:
    """How measuring ended: stopped by hand, or with an error; with neither, every device came to its end."""

    interrupted: bool = False
    error: BaseException | None = None


def measure_side_by_side(runs: Sequence[DeviceRun]) -> Ending:
    """Measure on every device, and return when all have ended.

    A Ctrl-C or an error, on whichever device, stops all: each between two requests to its workers, which are killed
    where they do not answer within seconds.
    """
    if len(runs) == 1:
        ending = _ending(runs[0].measure)
        runs[0].stopped()
        return ending
    threads = _Threads(runs)
    try:
        ending = threads.first_trouble()
    except KeyboardInterrupt:
        ending = Ending(interrupted=True)
    if ending == Ending():
        return ending
    threads.stop()
    return Ending(ending.interrupted, threads.error)


def _ending(measure: Callable[[], None]) -> Ending:
    try:
        measure()
    except KeyboardInterrupt:
        return Ending(interrupted=True)
    except Exception as error:  # whatever it is: it is raised again once what was measured is stored
        return Ending(error=error)
    return Ending()


class _Threads:
    """A thread for each device."""

    def __init__(self, runs: Sequence[DeviceRun]) -> None:
        self._runs = runs
        self._ended: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self.error: BaseException | None = None
        # Daemons: one that waits for a device which does not answer must not keep the program from its end.
        self._threads = [
            threading.Thread(target=self._measure, args=(run,), name=f"edgebench {run.name}", daemon=True)
            for run in runs
        ]
        for thread in self._threads:
            thread.start()

    def _measure(self, run: DeviceRun) -> None:
        def measure() -> None:
            run.measure()
            run.finish()

        ending = _ending(measure)
        self.error = self.error or ending.error
        self._ended.put(ending)

    def first_trouble(self) -> Ending:
        """Wait until all have come to their ends, or one has not: return how that one ended."""
        for _ in self._runs:
            ending = self._ended.get()
            if ending != Ending():
                return ending
        return Ending()

    def stop(self) -> None:
        """Stop those that are left. Another Ctrl-C kills their workers at once."""
        for run in self._runs:
            run.stop.ask()
        if not self._waited(_GRACE_S):
            for run in self._runs:
                run.watch.rest()
                run.stop.abort()
                run.device.close()
            self._waited(_PATIENCE_S)
        for run, thread in zip(self._runs, self._threads, strict=True):
            run.stopped()
            if thread.is_alive():  # it waits for something that does not come to an end
                run.runner.interrupted()

    def _waited(self, limit_s: float) -> bool:
        """Wait until no thread has anything under way; return False where the time was up, or at a Ctrl-C."""
        end_s = time.monotonic() + limit_s
        try:
            for run, thread in zip(self._runs, self._threads, strict=True):
                while thread.is_alive() and not run.away:
                    if time.monotonic() >= end_s:
                        return False
                    thread.join(0.05)
        except KeyboardInterrupt:
            return False
        return True


def at_once(tasks: Sequence[Callable[[], Found]]) -> list[Found | EdgebenchError]:
    """Do all tasks at the same time; return in their order what each came to, or the error of ours that it ended in.

    Any other error is raised.
    """
    if len(tasks) == 1:
        return [_result(tasks[0])]
    ended: queue.SimpleQueue[tuple[int, Found | BaseException]] = queue.SimpleQueue()

    def do(place: int) -> None:
        try:
            ended.put((place, _result(tasks[place])))
        except (Exception, KeyboardInterrupt) as error:  # whatever it is: it is raised where it is waited for
            ended.put((place, error))

    for place in range(len(tasks)):
        threading.Thread(target=do, args=(place,), name="edgebench planning", daemon=True).start()
    found: dict[int, Found | EdgebenchError] = {}
    for _ in tasks:
        place, result = ended.get()
        if isinstance(result, BaseException) and not isinstance(result, EdgebenchError):
            raise result
        found[place] = result
    return [found[place] for place in range(len(tasks))]


def _result(task: Callable[[], Found]) -> Found | EdgebenchError:
    try:
        return task()
    except EdgebenchError as error:
        return error
