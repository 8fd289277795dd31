"""Is what pip installs what pyproject.toml and the README promise?"""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
RUFF = tomllib.loads(TEXT)["tool"]["ruff"]["lint"]


def test_the_version_is_the_same_wherever_one_looks():
    import onetwo_like
    from onetwo_like import ot

    assert {onetwo_like.__version__, ot.__version__} == {metadata.version("onetwo-like")}


def test_the_core_needs_four_packages():
    assert {Requirement(line).name for line in PROJECT["dependencies"]} == {
        "absl-py",
        "diskcache",
        "jinja2",
        "pydantic",
    }


def everything_in(extra: str) -> set[str]:
    """The packages of an extra, with those of our extras that it includes."""
    found: set[str] = set()
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == PROJECT["name"]:
            found |= {name for included in requirement.extras for name in everything_in(included)}
        else:
            found.add(requirement.name)
    return found


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"].keys() - {"gemini-legacy"}))
def test_nobody_gets_the_sdk_that_pins_protobuf_without_asking(extra):
    assert "google-generativeai" not in everything_in(extra)


def test_all_is_every_provider_and_every_part():
    parts = ("openai", "anthropic", "gemini", "experiments", "notebook")
    assert everything_in("all") == {name for part in parts for name in everything_in(part)}


def test_the_command_is_installed():
    [command] = metadata.entry_points(group="console_scripts", name="onetwo-like")
    assert callable(command.load())


@pytest.mark.parametrize("marker", ["demo", "test"])
def test_the_readme_has_this_command_on_one_line(marker):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^<!-- command: {marker} -->\n```console\npython3 [^\n]+\n```$", readme, re.MULTILINE)


@pytest.mark.parametrize("excluded", [*RUFF["ignore"], *RUFF["per-file-ignores"]])
def test_the_reason_for_this_exclusion_stands_beside_it(excluded):
    lines = [line for line in TEXT.splitlines() if line.strip().startswith(f'"{excluded}"')]
    assert lines
    assert all(re.search(r"  # \S", line) for line in lines)
