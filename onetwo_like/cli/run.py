"""How does the command line run a program of the user's?"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from onetwo_like import ot
from onetwo_like.builtins.composables import Composable
from onetwo_like.cli.inputs import arguments as read_arguments
from onetwo_like.cli.inputs import split
from onetwo_like.cli.options import add_backend, check_base_url, chosen
from onetwo_like.errors import NotBoundError, OneTwoError, UsageError
from onetwo_like.middleware.cache import MODES


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "run",
        help="run an executable, a template or a function of yours",
        description="Runs NAME of FILE.py, which is an executable, a composable or a template, or a function under\n"
        "make_executable or make_composable, and prints its value: text as it is, anything else as JSON.",
        epilog="example:\n"
        "  onetwo-like run cities.py:mayor --backend openai:gpt-4o-mini --cache runs/cities --input country=France",
    )
    parser.add_argument("program", metavar="FILE.py:NAME", help="what to run")
    add_backend(parser, more="by default, the one that the file registers")
    parser.add_argument(
        "--input",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an argument, or a variable of a template; converted by the parameter's annotation (JSON for lists)",
    )
    parser.add_argument(
        "--cache", metavar="PATH", help="a folder where replies are recorded, and replayed from"
    )
    parser.add_argument(
        "--mode", choices=MODES, help="what the cache does (default: read_write); needs --cache"
    )
    parser.add_argument("--trace", action="store_true", help="show on stderr what happened, step by step")
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    choice = chosen(arguments.backend, arguments.base_url) if arguments.backend else None
    check_base_url(arguments.base_url, [choice] if choice else [])
    if arguments.mode and not arguments.cache:
        raise UsageError(f"--mode {arguments.mode} needs --cache PATH")
    given = split(arguments.input)
    with contextlib.ExitStack() as stack:
        stack.enter_context(ot.RegistryContext())
        program = called(found(arguments.program), arguments.program, given)
        if choice is not None:
            choice.make(None).register()
        if arguments.cache:
            stack.enter_context(ot.caching(arguments.cache, mode=arguments.mode))
        try:
            value, trace = (
                ot.run(program, enable_tracing=True) if arguments.trace else (ot.run(program), None)
            )
        except Exception as error:
            if arguments.trace:
                print(getattr(error, "trace", ""), file=sys.stderr)
            if isinstance(error, NotBoundError) and choice is None:
                raise NotBoundError(f"{error} Or give --backend, such as --backend ngram:5.") from error
            raise
    print(shown(value))
    if trace is not None:
        print(trace, file=sys.stderr)
    return 0


def found(program: str) -> object:
    """What `FILE.py:NAME` names; the file is executed. A UsageError says what is there instead."""
    path, colon, name = program.rpartition(":")
    if not colon or not path.endswith(".py") or not name:
        raise UsageError(f"{program}: give a file and a name in it, as in cities.py:mayor")
    module = imported(Path(path))
    if not hasattr(module, name):
        there = ", ".join(n for n, v in vars(module).items() if _can_run(v)) or "nothing that could be run"
        raise UsageError(f"{path} has no {name!r}; it has {there}")
    return getattr(module, name)


def imported(path: Path) -> ModuleType:
    """A file of the user's as a module; a UsageError says what keeps it from being one, in one line."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    name = path.stem
    if (taken := sys.modules.get(name)) is not None and getattr(taken, "__file__", "") != os.path.abspath(
        path
    ):
        name += "_program"  # a file called json.py does not take the place of that module
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    # As Python itself does for a script: the file can import its neighbours, and is found by its name.
    sys.path.insert(0, os.path.abspath(path.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except OneTwoError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's file does
        raise UsageError(f"{path} cannot be imported: {_where(error, path)}") from error
    return module


def _where(error: BaseException, path: Path) -> str:
    """The error as one line, with the line of the file that it came from."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == os.path.abspath(path):
            line = frame.lineno
    message = error.msg if isinstance(error, SyntaxError) else error
    told = " ".join(f"{type(error).__name__}: {message}".split())
    return told + (f" (line {line})" if line else "")


def _can_run(value: object) -> bool:
    """Whether it is an executable, or makes one; a function that was merely imported does not count."""
    return isinstance(value, ot.Executable | ot.Flow) or hasattr(value, "__signature__")


def called(target: Any, program: str, given: dict[str, str]) -> ot.Executable[Any]:
    """The executable that a target is, or makes of the inputs."""
    if isinstance(target, Composable):
        return target(**given)
    if isinstance(target, ot.Executable):
        if given:
            raise UsageError(f"{program} is an executable already and takes no input: {', '.join(given)}")
        return target
    if not callable(target):
        raise UsageError(f"{program} is of type {type(target).__name__}, and nothing that could be run")
    try:
        made = target(**read_arguments(target, given))
    except OneTwoError as error:
        raise UsageError(f"{program}: {error}") from error
    if not isinstance(made, ot.Executable):
        if hasattr(made, "close"):
            made.close()  # a coroutine that nobody awaits would complain
        raise UsageError(
            f"{program} returns {type(made).__name__}, not an executable; decorate it with @ot.make_executable"
        )
    return made


def shown(value: object) -> str:
    """A value as the command prints it.

    >>> shown("Nice"), shown({"city": "Nice"})
    ('Nice', '{\\n  "city": "Nice"\\n}')
    """
    if isinstance(value, str | ot.Chunk | ot.ChunkList):
        return str(value)
    import pydantic_core

    return pydantic_core.to_json(value, indent=2, fallback=repr).decode()
