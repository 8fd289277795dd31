"""In which virtual environments do the servers and their tests run, and what is installed there?"""

import hashlib
import json
import sys
from pathlib import Path

from tests.servers.processes import Leashed, StartError

ROOT = Path(__file__).parents[2]
EXTRAS = "anthropic,experiments,gemini,gemini-legacy,openai"
# The servers as they were tried: what they answer changes from version to version.
PACKAGES: dict[str, tuple[str, ...]] = {
    "litellm": ("litellm[proxy]==1.108.7",),
    "transformers": ("transformers[serving]==5.24.0", "torch==2.13.0", "gguf==0.19.0"),
    "llama": ("llama-cpp-python[server]==0.3.36",),  # mostly built here: needs a C++ compiler
    "tests": ("--editable", f"{ROOT}[{EXTRAS}]", "pytest>=9.0", "hypothesis>=6.120"),
}
SHOWN: dict[str, tuple[str, ...]] = {
    "litellm": ("litellm",),
    "transformers": ("transformers", "torch"),
    "llama": ("llama-cpp-python",),
    "tests": ("openai", "anthropic", "google-genai", "google-generativeai"),
}
_INSTALL_S = 1800.0
_VERSIONS = (
    "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
)


def python_of(work: Path, name: str) -> Path:
    """The Python of an environment."""
    return work / name / "bin" / "python"


def install(work: Path, name: str) -> None:
    """Makes the environment, unless it is there with just these packages."""
    folder, wanted = work / name, "\n".join(PACKAGES[name])
    if name == "tests":  # ours, whose requirements may have changed
        wanted += hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = folder / "installed.txt"
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    log = work / f"install-{name}.log"
    log.unlink(missing_ok=True)
    python = python_of(work, name)
    _finish([sys.executable, "-m", "venv", "--clear", folder], log, 120.0)
    _finish([python, "-m", "pip", "install", "--quiet", *PACKAGES[name]], log, _INSTALL_S)
    stamp.write_text(wanted, "utf-8")


def versions(work: Path) -> dict[str, str]:
    """What is installed, of what the table is about."""
    found: dict[str, str] = {}
    for name, packages in SHOWN.items():
        log = work / f"versions-{name}.json"
        log.unlink(missing_ok=True)
        _finish([python_of(work, name), "-c", _VERSIONS, *packages], log, 60.0)
        found |= json.loads(log.read_text("utf-8"))
    return found


def _finish(command: list[str | Path], log: Path, within_s: float) -> None:
    with Leashed(command, log=log) as process:
        if code := process.finished(within_s):
            raise StartError(f"{process.shown} ended with {code}.{process.end_of_log()}")
