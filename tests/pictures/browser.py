"""How does a test drive a page: at a width, by day or night, with clicks, reading the console?

Chromium's DevTools protocol over a pipe (https://chromedevtools.github.io/devtools-protocol/): JSON messages
that end in a zero byte, read on descriptor 3 and written on 4. No port is opened.
"""

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.pictures.chromium import CHROMIUM

PATIENCE_S = 60


class Browser:
    """One page in a headless Chromium that can reach nothing but files."""

    def __init__(self, to: int, out: int) -> None:
        self.console: list[str] = []  # errors, warnings, and what the page's policy refused
        self.asked_for: list[str] = []  # the addresses of all that was loaded
        self._to, self._out = to, out
        self._rest = b""
        self._number = 0
        self._loaded: set[str] = set()
        self._session: dict[str, str] = {}
        page = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.send("Target.attachToTarget", {"targetId": page, "flatten": True})
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Page.setLifecycleEventsEnabled", {"enabled": True})

    def open(self, url: str, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Loads a page in a window of this size in CSS pixels; one of a phone is a touch screen."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 640}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setDeviceMetricsOverride", size)
        self.send("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._load("about:blank")  # else another fragment of the page that is open would be no load
        self.console.clear()
        self.asked_for.clear()
        self._load(url)

    def _load(self, url: str) -> None:
        loader = self.send("Page.navigate", {"url": url})["loaderId"]
        while loader not in self._loaded:
            self._heard(self._read())

    def js(self, expression: str) -> Any:
        """The value of an expression in the page, awaited; an error in it is an AssertionError."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        done = self.send("Runtime.evaluate", asked)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, claim: str) -> None:
        """Waits until the expression holds in the page, at most 30 s."""
        waited = f"""new Promise((held) => {{
            const end = performance.now() + 30000;
            const look = () => ({claim}) || performance.now() > end ? held(Boolean({claim})) : setTimeout(look, 5);
            look();
        }})"""
        assert self.js(waited) is True, f"never held: {claim}"

    def key(self, key: str) -> None:
        """A key of the keyboard goes down and up: "Tab", "Enter", "Escape"."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send(
            "Input.dispatchKeyEvent", {"type": "keyDown", **pressed, **({"text": "\r"} if code == 13 else {})}
        )
        self.send("Input.dispatchKeyEvent", {"type": "keyUp", **pressed})

    def send(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of a command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters or {}, **self._session}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while (answer := self._read()).get("id") != self._number:
            self._heard(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._out], [], [], PATIENCE_S)[0], (
                f"nothing from Chromium in {PATIENCE_S} s"
            )
            read = os.read(self._out, 1 << 20)
            assert read, "Chromium has ended"
            self._rest += read
        message, self._rest = self._rest.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _heard(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        match event.get("method"):
            case "Page.lifecycleEvent" if given["name"] == "load":
                self._loaded.add(given["loaderId"])
            case "Network.requestWillBeSent":
                self.asked_for.append(given["request"]["url"])
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
