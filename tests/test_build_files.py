"""Do Bazel's files say what is true of the tree?

BUILD.bazel is Starlark, whose syntax is Python's: it is parsed, and its sources and dependencies are compared
with the files, with their imports, and with the layers in pyproject.toml. `requirements_lock.txt` is written
anew, from an environment with the dev extra, by `python tests/test_build_files.py --write-lock`.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = ROOT / "requirements_lock.txt"
# Where a package on the index is not called what one imports.
DISTRIBUTIONS = {
    "absl": "absl-py",
    "google.auth": "google-auth",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    **dict.fromkeys(
        ["google.ai", "google.api_core", "google.protobuf"], "google-generativeai"
    ),  # come with it
}
# Bazel has one version of everything, so what holds protobuf below 6 stays out, as from the dev extra.
LEFT_OUT = {"@pypi//google_generativeai"}
# What tests/servers/make_model.py is run with, in an environment of its own.
LEFT_OUT |= {"@pypi//gguf", "@pypi//tokenizers", "@pypi//torch", "@pypi//transformers"}


@dataclass(frozen=True)
class Target:
    """One rule of BUILD.bazel, its globs expanded to paths from the root of the tree."""

    kind: str
    name: str
    srcs: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    main: str = ""
    testonly: bool = False

    @property
    def files(self) -> set[str]:
        """The sources that are its own: the program that runs the tests is everybody's."""
        return set(self.srcs) - ({self.main} if self.kind == "py_test" else set())


def evaluate(node: ast.expr) -> object:
    """The value of a literal, of a sum of lists, or of a glob in which every pattern matches something."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = evaluate(node.left), evaluate(node.right)
        assert isinstance(left, list), ast.unparse(node)
        assert isinstance(right, list), ast.unparse(node)
        return left + right
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "glob":
        options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
        patterns, excluded = ast.literal_eval(node.args[0]), options.pop("exclude", [])
        assert not options, f"this test does not know the options {options} of glob"
        found: set[str] = set()
        for pattern in patterns:
            matches = set(matching(pattern)) - {path for each in excluded for path in matching(each)}
            assert matches, f"BUILD.bazel: the pattern {pattern!r} matches nothing, which Bazel refuses"
            found |= matches
        return sorted(found)
    return ast.literal_eval(node)


def matching(pattern: str) -> list[str]:
    found = (path.relative_to(ROOT) for path in ROOT.glob(pattern) if path.is_file())
    return [path.as_posix() for path in found if "__pycache__" not in path.parts]


def read_targets() -> dict[str, Target]:
    """The py_* rules of BUILD.bazel by their label."""
    found = {}
    for statement in ast.parse((ROOT / "BUILD.bazel").read_text(encoding="utf-8")).body:
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            continue
        kind = ast.unparse(statement.value.func)
        if not kind.startswith("py_"):
            continue
        given = {keyword.arg: evaluate(keyword.value) for keyword in statement.value.keywords}
        known = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
            if name in Target.__dataclass_fields__
        }
        target = Target(kind=kind, **known)  # type: ignore[arg-type]  # as Bazel itself would find out
        found[f":{target.name}"] = target
    return found


TARGETS = read_targets()
LIBRARIES = {label: t for label, t in TARGETS.items() if any(s.startswith("onetwo_like/") for s in t.srcs)}
TESTS = {label: t for label, t in TARGETS.items() if t.kind == "py_test"}


def imported_by(path: str) -> Iterator[str]:
    """The dotted names that a file imports, anywhere in it, by statement or by name."""
    for node in ast.walk(ast.parse((ROOT / path).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the layer"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytest_plugins":
            yield from (name for name in ast.literal_eval(node.value) if "." in name)


def label_of(module: str) -> str | None:
    """The target that provides an imported name; None for the standard library."""
    parts = module.split(".")
    if parts[0] in ("onetwo_like", "tests"):
        for length in range(len(parts), 0, -1):
            stem = "/".join(parts[:length])
            for label, target in TARGETS.items():
                if {f"{stem}.py", f"{stem}/__init__.py"} & target.files:
                    return label
        raise AssertionError(f"no target of BUILD.bazel provides {module}")
    if parts[0] in sys.stdlib_module_names:
        return None
    name = next(
        (DISTRIBUTIONS[each] for each in (".".join(parts[:2]), parts[0]) if each in DISTRIBUTIONS), parts[0]
    )
    return "@pypi//" + canonicalize_name(name).replace("-", "_")


def needed_by(target: Target) -> set[str]:
    labels = {label_of(module) for path in target.srcs for module in imported_by(path)}
    return {label for label in labels if label is not None} - {f":{target.name}"} - LEFT_OUT


def layers() -> list[list[str]]:
    """The layers of pyproject.toml that exist, from the top, siblings together."""
    contract = next(c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    ranks = [re.findall(r"\w+", rank) for rank in contract["layers"]]
    package = ROOT / "onetwo_like"
    return [
        [name for name in rank if (package / f"{name}.py").exists() or list((package / name).rglob("*.py"))]
        for rank in ranks
    ]


def check_each_once(listed: list[str], there: list[str]) -> None:
    unlisted, gone = set(there) - set(listed), set(listed) - set(there)
    twice = {path for path in listed if listed.count(path) > 1}
    assert not unlisted, f"in no target of BUILD.bazel: {sorted(unlisted)}"
    assert not gone, f"in BUILD.bazel, but not there: {sorted(gone)}"
    assert not twice, f"in two targets of BUILD.bazel: {sorted(twice)}"


def test_every_file_of_the_package_is_in_exactly_one_target():
    listed = [path for target in LIBRARIES.values() for path in (*target.srcs, *target.data)]
    check_each_once(listed, matching("onetwo_like/**/*"))


def test_every_file_of_the_tests_is_in_exactly_one_target():
    listed = [path for label in TARGETS.keys() - LIBRARIES.keys() for path in TARGETS[label].files]
    check_each_once(listed, matching("tests/**/*.py"))


def test_there_is_a_library_for_each_layer_and_its_dependencies_are_the_layers_below():
    ranks = layers()
    expected = {
        f":{name}": {f":{below}" for lower in ranks[rank + 1 :] for below in lower}
        for rank, names in enumerate(ranks)
        for name in names
        if name != "__main__"  # the program, below
    }
    actual = {
        label: {dep for dep in target.deps if dep.startswith(":")}
        for label, target in LIBRARIES.items()
        if target.kind == "py_library"
    }
    assert actual == expected


@pytest.mark.parametrize("label", TARGETS)
def test_this_target_names_what_its_files_import(label):
    target = TARGETS[label]
    needed, given = needed_by(target), set(target.deps)
    missing = needed - given
    # A layer's library names all the layers below, as the rule is; anything else names what it uses.
    unused = {dep for dep in given - needed if label not in LIBRARIES or dep.startswith("@")} - {
        ":test_support"
    }
    assert not missing, f"BUILD.bazel, {label}: add {sorted(missing)}"
    assert not unused, f"BUILD.bazel, {label}: take away {sorted(unused)}"


@pytest.mark.parametrize(
    "label", sorted(TARGETS.keys() - {":tree_test"})
)  # which is about the whole tree, and run by hand
def test_this_target_has_the_files_that_its_sources_name(label):
    """Pages of docs/, and what lies between the tests and is no Python."""
    between = [path for path in matching("tests/**/*") if not path.endswith(".py")]
    there = {Path(path).name: path for path in (*matching("docs/*.md"), *between)}
    target = TARGETS[label]
    named = {
        there[node.value]
        for path in target.files
        for node in ast.walk(ast.parse((ROOT / path).read_bytes()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in there
    }
    assert named <= set(target.data), f"BUILD.bazel, {label}: add to data {sorted(named - set(target.data))}"


def test_what_is_for_tests_only_is_named_by_nothing_else():
    only = {label for label, target in TARGETS.items() if target.testonly or label in TESTS}
    wrong = {label for label in TARGETS.keys() - only if not only.isdisjoint(TARGETS[label].deps)}
    assert not wrong, f"BUILD.bazel: these need testonly = True, as what they name has it: {sorted(wrong)}"


@pytest.mark.parametrize("label", TESTS)
def test_this_test_runs_its_folder_with_our_settings(label):
    target = TESTS[label]
    assert target.main == "tests/run_pytest.py"
    assert target.main in target.srcs
    assert "pyproject.toml" in target.data
    assert ":test_support" in target.deps
    assert {path.rpartition("/")[0] for path in target.files} >= set(target.args)
    assert all(path.startswith(tuple(f"{folder}/" for folder in target.args)) for path in target.files)


def module_file() -> dict[str, str]:
    """The string arguments of MODULE.bazel's calls, as `call.argument`."""
    tree = ast.parse((ROOT / "MODULE.bazel").read_text(encoding="utf-8"))
    return {
        f"{ast.unparse(call.func)}.{keyword.arg}": keyword.value.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
    }


def test_bazel_has_our_version_and_the_oldest_python():
    from onetwo_like import __version__

    said = module_file()
    assert said["module.version"] == __version__
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert {said["python.toolchain.python_version"], said["pip.parse.python_version"]} == {oldest}


def locked() -> dict[str, str]:
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def named_in_build_file() -> set[str]:
    labels = {dep for target in TARGETS.values() for dep in target.deps if dep.startswith("@pypi//")}
    return {label.removeprefix("@pypi//").replace("_", "-") for label in labels}


def test_what_bazel_installs_is_locked_and_new_enough():
    versions = locked()
    assert named_in_build_file() <= versions.keys(), "python tests/test_build_files.py --write-lock"
    project = PYPROJECT["project"]
    asked = [Requirement(line) for line in project["dependencies"]]
    asked += [Requirement(line) for extra in project["optional-dependencies"].values() for line in extra]
    too_old = [str(r) for r in asked if r.name in versions and not r.specifier.contains(versions[r.name])]
    assert too_old == []


def write_lock() -> None:
    """Pin what BUILD.bazel names, and all that it needs in turn, as installed in this environment."""
    waiting, versions = named_in_build_file(), {}
    while waiting:
        name = waiting.pop()
        versions[name] = metadata.version(name)
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting |= {canonicalize_name(needed.name)} - versions.keys()
    head = "# What Bazel installs (Linux, Python 3.11). Written by: python tests/test_build_files.py --write-lock\n"
    LOCK.write_text(
        head + "".join(f"{name}=={versions[name]}\n" for name in sorted(versions)), encoding="utf-8"
    )


if __name__ == "__main__":
    if sys.argv[1:] != ["--write-lock"]:
        sys.exit("usage: python tests/test_build_files.py --write-lock")
    write_lock()
