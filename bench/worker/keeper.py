"""One process a connection on a device that is not the controller's machine: it keeps workers, files and the lock.

Everything goes through its standard streams (:mod:`.keeper_wire`), so any way to run a program there will do. It ends
with its input; where the connection is cut so that nobody tells, it ends after :data:`PATIENCE_S` without a word from
the controller. Whichever way it ends, its workers end before, and what it changed on the device is put back.

``python3 worker.pyz keep ROOT`` starts it. It needs a Python 3.8 and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import signal
import sys
import time
from typing import Any, Callable, Dict, List, NoReturn, Optional

from . import PROTOCOL_VERSION, environment, truth
from .governor import GovernorSwitch
from .keeper_files import FileStore
from .keeper_governor import recover_governor, restore_governor, set_governor
from .keeper_lock import DeviceLock
from .keeper_orphans import end_orphans
from .keeper_wire import MARK, Message, Unframer, frame, write_all
from .keeper_workers import Children, own_archive, worker_environment
from .noise import probe
from .programs import ask_program
from .refusal import Refusal, one_line
from .system import cpu_model, system_name
from .tree import Tree, Unreadable
from .truth_load import memory_total_bytes

#: Longer than a network's short absence, shorter than anybody waits for a board that its last run left locked.
PATIENCE_S = 60
_READ_BYTES = 1 << 18
_ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM)

Answer = Dict[str, Any]
Command = Callable[["Keeper", Message], Answer]


class Keeper:
    """What the commands work on. ``at_end`` is done, last first, whichever way the process ends."""

    def __init__(self, root: str, requests: int, answers: int) -> None:
        self.root = os.path.abspath(os.path.expanduser(root))
        self.files = FileStore(self.root)
        self.lock = DeviceLock()
        self.scratch = os.path.join(self.root, "scratch")
        os.makedirs(self.scratch, mode=0o700, exist_ok=True)
        self.workers = Children(own_archive(), self.scratch, self._send)
        self.governor: Optional[GovernorSwitch] = None
        self.at_end: List[Callable[[], object]] = [self.lock.release]
        self._requests = requests
        self._answers = answers

    def serve(self) -> None:
        """Answer until the input ends."""
        write_all(self._answers, MARK)
        unframer = Unframer()
        while True:
            wait_s = self.workers.watch()
            outputs = self.workers.outputs()
            ready, _, _ = select.select([self._requests, *outputs], [], [], wait_s)
            for descriptor in ready:
                if descriptor in outputs:
                    self.workers.passed_on(outputs[descriptor])
            if self._requests in ready:
                data = os.read(self._requests, _READ_BYTES)
                if not data:
                    return
                signal.alarm(PATIENCE_S)
                for message, payload in unframer.feed(data):
                    self._handle(message, payload)

    def close(self) -> None:
        """End the workers and put back what was changed. May be called twice."""
        try:
            self.workers.kill_all()
        finally:  # whatever that meets: a governor must not stay
            while self.at_end:
                self.at_end.pop()()

    def _handle(self, message: Message, payload: bytes) -> None:
        if "to" in message:
            self.workers.write(int(message["to"]), payload, bool(message.get("watched")))
        elif message.get("cmd") == "chunk":
            self.files.chunk(payload)
        else:
            self._send(self._answer(message), b"")

    def _answer(self, message: Message) -> Answer:
        signal.alarm(0)  # a command may take longer than the patience, and no word can be heard meanwhile
        try:
            command = COMMANDS.get(str(message.get("cmd")))
            if command is None:
                raise Refusal("protocol", "unknown command %r" % message.get("cmd"))
            answer = dict(command(self, message), ok=True)
        except Refusal as refusal:
            answer = {"ok": False, "code": refusal.code, "message": str(refusal)}
        except Exception as error:  # whatever it is: the controller must learn it
            answer = {"ok": False, "code": "internal", "message": one_line("%s: %s" % (type(error).__name__, error))}
        finally:
            signal.alarm(PATIENCE_S)
        return dict(answer, id=message.get("id"))

    def _send(self, head: Message, payload: bytes) -> None:
        write_all(self._answers, frame(head, payload))


def _hello(keeper: Keeper, _request: Message) -> Answer:
    return {
        "protocol": PROTOCOL_VERSION,
        "root": keeper.root,
        "python": platform.python_version(),
        "executable": sys.executable,
        "pid": os.getpid(),
        "monotonic_ns": time.monotonic_ns(),
        "utc": time.time(),
    }


def _take_lock(keeper: Keeper, request: Message) -> Answer:
    keeper.lock.take(dict(request["holder"]))
    end_orphans(os.path.dirname(own_archive()))
    remove_old_archives(keeper.root)
    return {}


def _holder(keeper: Keeper, _request: Message) -> Answer:
    return {"holder": None if keeper.lock.held else keeper.lock.holder()}


def _environment(_keeper: Keeper, _request: Message) -> Answer:
    return describe_system()


def _start_worker(keeper: Keeper, request: Message) -> Answer:
    return keeper.workers.start(str(request["python"]), worker_environment(keeper.scratch))


def _close_worker(keeper: Keeper, request: Message) -> Answer:
    keeper.workers.close(int(request["worker"]))
    return {}


def _kill_worker(keeper: Keeper, request: Message) -> Answer:
    keeper.workers.kill(int(request["worker"]))
    return {}


def _limit_worker(keeper: Keeper, request: Message) -> Answer:
    keeper.workers.limit(int(request["worker"]), int(request["limit_bytes"]))
    return {}


def _begin_file(keeper: Keeper, request: Message) -> Answer:
    return keeper.files.begin(str(request["sha256"]), int(request["size_bytes"]))


def _file_trouble(keeper: Keeper, _request: Message) -> Answer:
    keeper.files.trouble()
    return {}


def _end_file(keeper: Keeper, _request: Message) -> Answer:
    return keeper.files.end()


def _evict(keeper: Keeper, request: Message) -> Answer:
    return keeper.files.evict(int(request["limit_bytes"]), ended=bool(request.get("ended")))


def _usage(keeper: Keeper, _request: Message) -> Answer:
    return keeper.files.usage()


def _clean(keeper: Keeper, request: Message) -> Answer:
    if not keeper.lock.held:
        raise Refusal("protocol", "clean without the lock")
    return keeper.files.remove(only_files=bool(request.get("files_only")))


def _make_environment(keeper: Keeper, request: Message) -> Answer:
    if not keeper.lock.held:
        raise Refusal("protocol", "make_environment without the lock")
    return environment.make_environment(keeper.root, request)


#: The commands by name. Those of other modules are added below.
COMMANDS: Dict[str, Command] = {
    "hello": _hello,
    "ping": lambda _keeper, _request: {},
    "lock": _take_lock,
    "holder": _holder,
    "environment": _environment,
    "machine": lambda _keeper, _request: truth.machine(),
    "state": lambda _keeper, _request: truth.snapshot(),
    "firmware": lambda _keeper, _request: truth.firmware(),
    "noise": lambda _keeper, request: probe(int(request["duration_ns"])),
    "start_worker": _start_worker,
    "close_worker": _close_worker,
    "kill_worker": _kill_worker,
    "limit_worker": _limit_worker,
    "begin_file": _begin_file,
    "file_trouble": _file_trouble,
    "end_file": _end_file,
    "evict": _evict,
    "usage": _usage,
    "clean": _clean,
    "make_environment": _make_environment,
    "read_environment": lambda keeper, _request: environment.read_environment(keeper.root),
    "set_governor": set_governor,
    "restore_governor": restore_governor,
    "recover_governor": recover_governor,
}


def remove_old_archives(root: str) -> None:
    """Remove the workers that other versions of the controller have left, and those that never arrived whole."""
    own = os.path.basename(own_archive())
    for name in os.listdir(root):
        if name.startswith("worker-") and name.endswith((".pyz", ".pyz.part")) and name != own:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(root, name))


def describe_system() -> Answer:
    """Return what a controller says about its own machine in a record, of this one."""
    allowed: Optional[int] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    tree = Tree()
    return {
        "hostname": platform.node(),
        "system": system_name(tree, ask_program) or platform.platform(terse=True),
        "kernel": "%s %s" % (platform.system(), platform.release()),
        "machine": platform.machine(),
        "cpu_model": cpu_model(tree),
        "cpus_logical": os.cpu_count(),
        "cpus_allowed": allowed,
        "memory_total_bytes": _memory_total_bytes(tree),
        "python": platform.python_version(),
    }


def _memory_total_bytes(tree: Tree) -> Optional[int]:
    try:
        return memory_total_bytes(tree)
    except Unreadable:
        return None


def main(root: str) -> None:
    """Serve until the input ends, then leave nothing running and nothing changed."""
    os.umask(0o077)
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    try:
        keeper = Keeper(root, requests, answers)
    except OSError as error:
        _give_up(answers, "%s: cannot be used: %s" % (root, error.strerror or error))
    except Refusal as refusal:
        _give_up(answers, str(refusal))
    for number in _ENDINGS:
        signal.signal(number, _end)
    signal.alarm(PATIENCE_S)
    try:
        try:
            keeper.serve()
        finally:
            _end_no_more()
    except (OSError, ValueError):
        pass  # the controller is gone, or is none
    finally:
        keeper.close()


def _give_up(answers: int, line: str) -> NoReturn:
    write_all(answers, MARK + frame({"fatal": line}))
    sys.exit(1)


def _end(_number: int, _frame: object) -> NoReturn:
    _end_no_more()
    raise SystemExit(1)


def _end_no_more() -> None:
    """Be deaf to whoever asks once more: that must not keep this process from putting things back."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
