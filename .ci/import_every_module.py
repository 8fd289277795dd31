"""Can every module of the installed package be imported without extras?

Run by .ci/run in an environment that has nothing but the wheel. A module that cannot exist without an extra
says so itself, in `__requires__`, a literal that is read without importing it.
"""

import ast
import importlib
import importlib.util
import pkgutil
import sys
from importlib import metadata
from pathlib import Path

import onetwo_like


def required_by(path: Path) -> tuple[str, ...]:
    """What the module at `path` says it cannot be imported without."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__requires__":
            return tuple(ast.literal_eval(node.value))
    return ()


def main() -> None:
    """Import them all, and fail loudly at the first that does not import."""
    [root] = map(Path, onetwo_like.__path__)
    assert "site-packages" in root.parts, f"not the installed package: {root}"
    assert (root / "py.typed").is_file(), "py.typed is not in the wheel"
    assert onetwo_like.__version__ == metadata.version("onetwo-like")
    imported, left_out = 0, []
    names = [module.name for module in pkgutil.walk_packages([str(root)], "onetwo_like.")]
    for name in names:
        if name.endswith(".__main__"):
            continue  # it runs the command; .ci/run does so
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, f"{name} is a folder without __init__.py"
        missing = [
            needed for needed in required_by(Path(spec.origin)) if importlib.util.find_spec(needed) is None
        ]
        if missing:
            left_out.append(f"{name} (needs {', '.join(missing)})")
            continue
        importlib.import_module(name)
        imported += 1
    loaded = sorted(
        {"openai", "anthropic", "google.genai", "requests", "numpy", "pandas", "scipy", "tqdm"}
        & sys.modules.keys()
    )
    assert not loaded, f"importing every module loaded {loaded}: these belong inside functions"
    print(f"{imported} modules imported without extras; left out: {', '.join(left_out) or 'none'}")


if __name__ == "__main__":
    main()
