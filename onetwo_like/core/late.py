"""How does a module offer names that are loaded on first use?"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def late(module: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a module that names, in `places`, the module where each late name is.

    To be assigned where a type checker does not look: one that sees a `__getattr__` lets every misspelt name pass.
    """

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(places[name]), name)
        setattr(sys.modules[module], name, value)  # so that it is asked for once
        return value

    def names() -> list[str]:
        return sorted(sys.modules[module].__all__)

    return load, names
