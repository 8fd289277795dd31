"""How does a command line name a backend?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass

from onetwo_like import ot
from onetwo_like.backends import Anthropic, Backend, Gemini, NGram, OpenAI
from onetwo_like.core.registry import Caching
from onetwo_like.errors import UsageError

HELP = (
    "a backend, such as ngram:5 (the embedded n-gram model of order 5; free), openai:gpt-4o-mini, "
    "anthropic:claude-haiku-4-5 or gemini:gemini-2.5-flash"
)
BASE_URL_HELP = "the address of a server that speaks the provider's API, such as http://127.0.0.1:8000/v1"


@dataclass(frozen=True)
class Choice:
    """A backend as somebody named it, checked, to be made with any cache.

    `remote` says that its calls may cost something.
    """

    written: str
    make: Callable[[Caching | None], Backend]
    remote: bool

    def registry(self, cache: Caching | None = None) -> ot.Registry:
        """A registry in which this backend, and nothing else, answers."""
        with ot.RegistryContext(ot.Registry()):
            self.make(cache).register()
            return ot.copy_registry()


def add_backend(parser: argparse.ArgumentParser, *, more: str, several: bool = False) -> None:
    """Adds --backend and --base_url; `more` ends the help of --backend."""
    parser.add_argument(
        "--backend",
        metavar="NAME[:ARG]",
        action="append" if several else "store",
        help=f"{HELP}; {more}",
    )
    parser.add_argument("--base_url", metavar="URL", help=BASE_URL_HELP)


def chosen(written: str, base_url: str | None = None) -> Choice:
    """The backend that `NAME[:ARG]` names; a UsageError says what could be named.

    >>> chosen("ngram:3").make(None)
    NGram(order=3)
    """
    name, _, argument = written.partition(":")
    if name not in _CHOICES:
        raise UsageError(
            f"--backend {written}: there is no backend {name!r}; there are {', '.join(_CHOICES)}"
        )
    return _CHOICES[name](written, argument, base_url)


def _ngram(written: str, argument: str, _base_url: str | None) -> Choice:
    try:
        order = int(argument or 5)
        NGram(order)
    except ValueError:
        raise UsageError(f"--backend {written}: the order is a whole number, as in ngram:5") from None
    except UsageError as error:
        raise UsageError(f"--backend {written}: {error}") from None
    return Choice(written, lambda cache: NGram(order, cache=cache), remote=False)


def _remote(provider: Callable[..., Backend], example: str) -> Callable[[str, str, str | None], Choice]:
    """A choice among the models of a provider."""

    def choice(written: str, model: str, base_url: str | None) -> Choice:
        if not model:
            raise UsageError(f"--backend {written}: which model? As in {example}")
        provider(model, base_url=base_url)  # a bad address is an error now
        return Choice(written, lambda cache: provider(model, base_url=base_url, cache=cache), remote=True)

    return choice


_CHOICES: dict[str, Callable[[str, str, str | None], Choice]] = {
    "ngram": _ngram,
    "openai": _remote(OpenAI, "openai:gpt-4o-mini"),
    "anthropic": _remote(Anthropic, "anthropic:claude-haiku-4-5"),
    "gemini": _remote(Gemini, "gemini:gemini-2.5-flash"),
}


def check_file(option: str, path: str) -> None:
    """Refuses a path where no file can be written, before anything is spent; missing folders are made when it is."""
    whole = os.path.abspath(os.path.expanduser(path))
    if os.path.isdir(whole):
        raise UsageError(f"{option} {path}: this is a folder; give the name of a file in it")
    check_writable(option, path)


def check_writable(option: str, path: str) -> None:
    """Refuses a path of which the part that exists is no folder that may be written."""
    folder = os.path.dirname(os.path.abspath(os.path.expanduser(path)))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise UsageError(f"{option} {path}: {folder} is a file, and not a folder")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{option} {path}: the folder {folder} cannot be written")


def check_base_url(base_url: str | None, choices: list[Choice]) -> None:
    """Refuses an address that nothing would use."""
    if base_url is not None and not any(choice.remote for choice in choices):
        raise UsageError(
            f"--base_url {base_url}: no backend here is behind a network; add --backend openai:MODEL"
        )
