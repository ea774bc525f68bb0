"""A headless Chromium for tests of pages, driven through its own debugging pipe: no port and no library."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

#: The path of a Chromium; ``.ci/chromium`` prints one.
VARIABLE = "EDGEBENCH_CHROMIUM"
_NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_ANSWER_TIMEOUT_S = 60.0
PHONE, DESKTOP = 390, 1280


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return named if Path(named).exists() else None
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class BrowserError(Exception):
    """Chromium refused a command, ended or did not answer."""


class Browser:
    """A running Chromium, for a ``with`` statement. ``proxy`` takes every request, those to loopback as well."""

    def __init__(self, path: str, proxy: str | None = None) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="edgebench-chromium-", ignore_cleanup_errors=True)
        asked = [f"--proxy-server={proxy}", "--proxy-bypass-list=<-loopback>"] if proxy else []
        command = [path, *_ARGUMENTS, f"--user-data-dir={self._profile.name}", *asked, "about:blank"]
        reader, self._in = os.pipe()
        self._out, writer = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4; a shell puts the pipes there, so they may not be there yet.
        to_browser, from_browser = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (reader, writer))
        script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *command],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (reader, writer, to_browser, from_browser):
            os.close(end)
        self._number = 0
        self._buffer = b""
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Browser:
        """Return the browser."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the browser and remove its profile."""
        with contextlib.suppress(BrowserError, OSError):
            self.send("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def open(self, page: Path, width: int = DESKTOP, *, dark: bool = False, height: int = 800) -> Page:
        """Return a page that shows the file, loaded, in a window of its own; 640 px and less is a phone."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        shown = Page(self, session, target)
        self._pages[session] = shown
        shown.show(page, width, height, dark)
        return shown

    def send(self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """Return the answer to a command.

        Raises:
            BrowserError: Chromium refused it, has ended or did not answer in time.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._in, data) :]
        for answer in self._messages():
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
        raise BrowserError(f"{method}: Chromium has ended")

    def _messages(self) -> Iterator[dict[str, Any]]:
        """Yield messages as they come; events are kept by their pages."""
        while True:
            while b"\0" in self._buffer:
                line, self._buffer = self._buffer.split(b"\0", 1)
                message: dict[str, Any] = json.loads(line)
                if "method" in message and message.get("sessionId") in self._pages:
                    self._pages[message["sessionId"]].take(message["method"], message["params"])
                yield message
            ready, _, _ = select.select([self._out], [], [], _ANSWER_TIMEOUT_S)
            if not ready:
                raise BrowserError("Chromium does not answer")
            data = os.read(self._out, 1 << 20)
            if not data:
                return
            self._buffer += data


class Page:
    """One page. ``complaints`` are errors and warnings of the console, ``requests`` the addresses asked for."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self._session = session
        self._target = target
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []

    def show(self, page: Path, width: int, height: int, dark: bool) -> None:
        """Load the file and wait until it is parsed."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= 640}
        self.send("Emulation.setDeviceMetricsOverride", size)
        self.media(dark=dark)
        self.send("Page.navigate", {"url": page.resolve().as_uri()})
        self.wait_for("document.readyState === 'complete'")

    def media(self, *, dark: bool = False, paper: bool = False) -> None:
        """Make the page believe that its reader prefers dark or light colours, on a screen or on paper."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", {"media": "print" if paper else "", "features": [scheme]})

    def send(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer to a command to this page."""
        return self._browser.send(method, parameters, self._session)

    def take(self, method: str, event: dict[str, Any]) -> None:
        """Keep what an event tells."""
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.complaints.append(str(details.get("exception", {}).get("description") or details["text"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(item.get("value", "")) for item in event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.complaints.append(event["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(event["message"])

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; a promise is waited for.

        Raises:
            BrowserError: the expression threw.
        """
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.send("Runtime.evaluate", asked)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, condition: str, timeout_s: float = 30.0) -> None:
        """Wait until an expression is true.

        Raises:
            BrowserError: it did not become true in time.
        """
        end = time.monotonic() + timeout_s
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise BrowserError(f"never true: {condition}")
            time.sleep(0.02)

    def scroll_through(self) -> None:
        """Scroll from top to bottom as a reader does, so that everything that waits to be seen is drawn."""
        self.evaluate(
            "(async () => { const all = document.scrollingElement;"
            " for (let y = 0; y < all.scrollHeight; y += innerHeight) {"
            " scrollTo(0, y); await new Promise(done => setTimeout(done, 20)); } })()"
        )

    def click(self, selector: str) -> None:
        """Click in the middle of an element with a real mouse, scrolled into view."""
        place = self.evaluate(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            " it.scrollIntoView({block: 'center'});"
            " const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        button = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", {"type": kind, **button})

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            event: dict[str, Any] = {"type": kind, "key": key, "code": {" ": "Space"}.get(key, key)}
            code = {"Enter": 13, " ": 32, "Tab": 9}.get(key)
            if code:
                event |= {"windowsVirtualKeyCode": code}
            self.send("Input.dispatchKeyEvent", event | ({"text": text} if text and kind == "keyDown" else {}))

    def picture(self, path: Path, *, whole: bool = False, width: int = DESKTOP, height: int = 0) -> None:
        """Write a PNG of what is seen, or of the first ``height`` pixels of the whole page."""
        asked: dict[str, Any] = {"format": "png"}
        if whole:
            reach = self.evaluate("document.scrollingElement.scrollHeight")
            clip = {"x": 0, "y": 0, "width": width, "height": min(height or reach, reach), "scale": 1}
            asked |= {"captureBeyondViewport": True, "clip": clip}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", asked)["data"]))

    def pdf(self, path: Path) -> None:
        """Print the page."""
        printed = self.send("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
        path.write_bytes(base64.b64decode(printed["data"]))
