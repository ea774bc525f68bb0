"""Entry point: ``python worker.pyz`` answers JSON requests, one per line, until its input closes."""

import time

_BEGAN_NS = time.perf_counter_ns()

import json  # noqa: E402 - the clock comes first, so that no import goes uncounted
import sys  # noqa: E402

if sys.argv[1:2] == ["keep"]:  # before numpy: a bare board has none
    from .keeper import main as keep

    keep(sys.argv[2])
    sys.exit(0)

if sys.argv[1:2] == ["guard"]:
    from .guardian import main as guard

    guard(*sys.argv[2:5])
    sys.exit(0)

try:
    _BEFORE_NS = time.perf_counter_ns()
    import numpy  # noqa: F401 - timed apart from our own modules, which need it

    _NUMPY_NS = time.perf_counter_ns() - _BEFORE_NS
    from .service import main
except ImportError as error:  # numpy is the only thing needed before a request arrives
    reason = "the worker's Python cannot start: %s" % " ".join(str(error).split())[:300]
    print(json.dumps({"ok": False, "code": "no-numpy", "message": reason}))
    sys.exit(1)

main(_BEGAN_NS, _NUMPY_NS)
