"""Are the public names exactly those that were agreed on?

They stand in tests/contracts/public_names.txt. After a change that is meant, write it anew with
`python tests/test_public_names.py --write`, and look at the diff: a name that goes needs a deprecation first.
"""

import importlib
import sys
from pathlib import Path

import pytest

CONTRACT = Path(__file__).parent / "contracts" / "public_names.txt"
MODULES = [
    "onetwo_like.ot",
    "onetwo_like.builtins.llm",
    "onetwo_like.builtins.composables",
    "onetwo_like.backends",
    "onetwo_like.experiments.metrics",
    "onetwo_like.testing",
    "onetwo_like.errors",
]


def names_of(module: str) -> list[str]:
    """What `module` lists in `__all__`, or for errors.py, which is one tree and nothing else, its classes."""
    namespace = vars(importlib.import_module(module))
    if module == "onetwo_like.errors":
        return sorted(name for name, value in namespace.items() if isinstance(value, type))
    return sorted(namespace["__all__"])


def as_text(module: str) -> str:
    return "\n".join([module, *(f"    {name}" for name in names_of(module))]) + "\n"


def agreed() -> dict[str, str]:
    """The contract's paragraphs by the module they are about."""
    paragraphs = CONTRACT.read_text(encoding="utf-8").split("\n\n")
    return {text.split("\n", 1)[0]: text.rstrip("\n") + "\n" for text in paragraphs}


@pytest.mark.parametrize("module", MODULES)
def test_the_public_names_are_those_agreed_on(module):
    assert as_text(module) == agreed()[module], "meant? then: python tests/test_public_names.py --write"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_exists_and_completes_in_a_notebook(module):
    found = importlib.import_module(module)
    assert [name for name in names_of(module) if not hasattr(found, name)] == []
    assert set(names_of(module)) <= set(dir(found))


def test_the_contract_is_about_these_modules_only():
    assert sorted(agreed()) == sorted(MODULES)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_public_names.py --write")
    sys.path.insert(0, str(Path(__file__).parents[1]))
    CONTRACT.write_text("\n".join(as_text(module) for module in MODULES), encoding="utf-8")
