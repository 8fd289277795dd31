"""Does a type checker see the types that are promised? It runs, strictly, over tests/contracts/typing_checks.py."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_types_of_programs_are_known():
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "tests/contracts/typing_checks.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout.startswith("Success"), checked.stdout + checked.stderr
