"""How does a test drive a page: at a width, by day or night, with clicks, reading the console?

Chromium's DevTools protocol over a pipe (https://chromedevtools.github.io/devtools-protocol/): JSON messages
that end in a zero byte, read on descriptor 3 and written on 4. No port is opened.
"""

import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.pictures.chromium import CHROMIUM


class Browser:
    """One page in a headless Chromium that can reach nothing but files."""

    def __init__(self, to: int, out: int) -> None:
        self.console: list[str] = []  # errors, warnings, and what the page's policy refused
        self._to, self._out = to, out
        self._rest = b""
        self._number = 0
        self._session: dict[str, str] = {}
        page = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def open(self, url: str, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Loads a page in a window of this size in CSS pixels; one of a phone is a touch screen."""
        self._send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 640,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])
        self._send("Page.navigate", url="about:blank")  # else another fragment of the same page is no load
        self.console.clear()
        self._send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def js(self, expression: str) -> Any:
        """The value of an expression in the page, awaited; an error in it is an AssertionError."""
        done = self._send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, claim: str) -> None:
        """Waits until the expression holds in the page, looking after each frame."""
        waited = f"""new Promise((held, never) => {{
            const end = performance.now() + 30000;
            const look = () => ({claim}) ? held(true) : performance.now() > end ? never(Error("never")) : setTimeout(look, 5);
            look();
        }})"""
        # A page that is being left takes the expression with it.
        for _ in range(20):
            done = self._send("Runtime.evaluate", expression=waited, awaitPromise=True, returnByValue=True, lost=True)
            if done.get("result", {}).get("value") is True:
                return
            assert "exceptionDetails" not in done, f"never: {claim}"
        raise AssertionError(f"the page was left again and again: {claim}")

    def key(self, key: str) -> None:
        """A key of the keyboard goes down and up: "Tab", "Enter", "Escape"."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self._send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key], **text
            )

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A PNG of the page, or of the window."""
        taken = self._send("Page.captureScreenshot", captureBeyondViewport=whole, **({} if not whole else {}))
        path.write_bytes(base64.b64decode(taken["data"]))

    def _send(self, method: str, lost: bool = False, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if lost and "error" in answer:
                    return {}
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self._heard(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._out, 1 << 20)
            assert read, "Chromium has ended"
            self._rest += read
        message, self._rest = self._rest.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _heard(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.console.append(str(given["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if given["type"] in ("error", "warning", "assert"):
                self.console.append(str(given["args"]))
            case "Log.entryAdded" if given["entry"]["level"] in ("error", "warning"):
                self.console.append(given["entry"]["text"])


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A Chromium of its own, whose profile is in the folder; it is ended with the block."""
    assert CHROMIUM is not None
    commands, to = os.pipe()
    out, answers = os.pipe()
    arguments = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-pipe",
    ]
    # The shell gives the pipes the numbers that Chromium expects; both may already be in use here.
    moved = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
    process = subprocess.Popen(
        ["bash", "-c", moved, *arguments], pass_fds=(commands, answers), stderr=subprocess.DEVNULL
    )
    os.close(commands)
    os.close(answers)
    try:
        yield Browser(to, out)
    finally:
        os.close(to)  # Chromium ends with its pipe
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        os.close(out)
