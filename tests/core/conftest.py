"""What does every test of the core need? The root registry put back, and Python in a process of its own."""

import subprocess
import sys
import textwrap

import pytest

from onetwo_like.core.registry import copy_registry, set_registry


@pytest.fixture(autouse=True)
def _root_registry_put_back():
    saved = copy_registry()
    yield
    set_registry(saved)


@pytest.fixture
def python():
    """Executes a script in a process of its own, and gives what it wrote: (.returncode, .stdout, .stderr)."""

    def execute(script, *arguments):
        return subprocess.run(
            [sys.executable, *arguments, "-c", textwrap.dedent(script)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return execute
