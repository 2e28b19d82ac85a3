"""A headless Chromium, driven over its debugging pipe: no package is needed.

with Browser(profile_folder) as browser:
    browser.open("file:///tmp/graph.html")
    browser.evaluate("document.title")
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: Flags besides headless: it runs as root in containers, and asks the network for nothing.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


#: Chromium reads commands from 3 and answers on 4.
_CONNECT = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


def find_browser() -> str | None:
    """The program, from FLOWGRAPH_CHROMIUM or the PATH."""
    names = (
        os.environ.get("FLOWGRAPH_CHROMIUM", ""),
        "chromium",
        "chromium-browser",
        "google-chrome",
    )
    return next((found for name in names if name and (found := shutil.which(name))), None)


class Browser:
    """One page in a browser that is closed at the end of the ``with`` block."""

    def __init__(self, folder: Path, width: int = 1280, height: int = 800) -> None:
        program = find_browser()
        assert program is not None, "no Chromium"
        self._number = 0
        self.problems: list[str] = []
        down_read, self._write = os.pipe()
        self._read, up_write = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (down_read, up_write)]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _CONNECT, str(ends[0]), str(ends[1])),
                *(program, *_FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"),
            ],
            pass_fds=ends,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for end in (down_read, up_write, *ends):
            os.close(end)
        self._waiting = b""
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:  # let it end by itself: it still writes its profile
            os.write(self._write, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
            self._process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol and its answer."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self) -> Any:
        while b"\0" not in self._waiting:
            piece = os.read(self._read, 1 << 20)
            assert piece, "Chromium ended"
            self._waiting += piece
        message, _, self._waiting = self._waiting.partition(b"\0")
        found = json.loads(message)
        method = found.get("method")
        if method == "Runtime.exceptionThrown":
            details = found["params"]["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", str(details)))
        elif method == "Log.entryAdded" and found["params"]["entry"]["level"] == "error":
            self.problems.append(found["params"]["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.problems.append("a dialog opened: " + found["params"]["message"])
        return found

    def open(self, url: str, ready: str = "true") -> None:
        """Go to ``url`` and wait until it is there and the expression ``ready`` is true."""
        self.call("Page.navigate", url=url)
        self.wait(f"location.href == {json.dumps(url)} && document.readyState == 'complete'")
        self.wait(ready)

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < end, f"never true: {condition}\n{self.problems}"
            time.sleep(0.05)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, promises included."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """A PNG of the window."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def press(self, key: str) -> None:
        """A key: a letter or a name like ``Enter``."""
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        code = {"Enter": 13, "Escape": 27, "Backspace": 8}.get(key) or ord(text or "\0")
        what = {"key": key, "text": text, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **what)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector: str, count: int = 1) -> None:
        """Click the middle of the first element that a CSS selector finds."""
        x, y = self.evaluate(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.click_at(x, y, count)

    def click_at(self, x: float, y: float, count: int = 1) -> None:
        """Click at a point of the window."""
        self.move_to(x, y)
        for number in range(1, count + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.call(
                    "Input.dispatchMouseEvent",
                    type=kind,
                    x=x,
                    y=y,
                    button="left",
                    clickCount=number,
                )

    def move_to(self, x: float, y: float) -> None:
        """Point at a point of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
