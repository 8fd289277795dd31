"""What does importing the package load? Python, Jinja, and nothing else.

SDKs take seconds to import, pydantic, absl and numpy a good part of a second; all of them wait for their
first use.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Jinja is part of the built-ins: templates are compiled when they are made.
EXPECTED = {"onetwo_like", "jinja2", "markupsafe"}


def loaded_by(statements: str) -> set[str]:
    """Top-level names of what a fresh interpreter loads for `statements`, apart from the standard library."""
    program = f"import sys\nbefore = set(sys.modules)\n{statements}\n" + (
        "import json\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout)) - sys.stdlib_module_names


def test_importing_the_package_loads_nothing_else():
    assert loaded_by("import onetwo_like") == {"onetwo_like"}


def test_importing_what_every_program_imports_loads_no_sdk_and_nothing_heavy():
    statements = (
        "from onetwo_like import ot\n"
        "from onetwo_like.builtins import llm\n"
        "from onetwo_like.builtins import composables as c\n"
    )
    assert loaded_by(statements) <= EXPECTED


@pytest.mark.parametrize("module", ["onetwo_like.backends", "onetwo_like.testing", "onetwo_like.errors"])
def test_importing_what_some_programs_import_loads_nothing_heavy_either(module):
    assert loaded_by(f"import {module}") <= EXPECTED


def test_the_names_of_the_backends_load_no_sdk():
    assert loaded_by("from onetwo_like.backends import NGram, OpenAI, Scripted") <= EXPECTED


def test_what_is_loaded_is_really_seen():
    assert loaded_by("import pydantic") >= {"pydantic", "pydantic_core"}
