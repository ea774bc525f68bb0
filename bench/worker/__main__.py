"""Entry point: ``python worker.pyz`` answers JSON requests, one per line, until its input closes."""

import json
import sys

try:
    from .service import main
except ImportError as error:  # numpy is the only thing needed before a request arrives
    reason = "the worker's Python cannot start: %s" % " ".join(str(error).split())[:300]
    print(json.dumps({"ok": False, "code": "no-numpy", "message": reason}))
    sys.exit(1)

main()
