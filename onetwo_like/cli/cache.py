"""How does the command line show, compare, check, clear and carry caches?"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from onetwo_like.errors import CacheError, UsageError
from onetwo_like.middleware import inspection
from onetwo_like.middleware.bundle import SUFFIXES, export_bundle, import_bundle
from onetwo_like.middleware.disk_folder import cache_folder
from onetwo_like.middleware.disk_store import DiskStore
from onetwo_like.middleware.entries import Entry
from onetwo_like.middleware.inspection import Filter, existing
from onetwo_like.middleware.sources import entries_of
from onetwo_like.middleware.store import Store

_DONE, _NOT_AS_PROMISED = 0, 1
_SHOWN_KEYS = 20


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command and its own commands."""
    parser = commands.add_parser(
        "cache",
        help="list, compare, check, prune, export or import a cache",
        description="Works on a cache, which is a folder, or a bundle (*.jsonl, *.jsonl.gz). Exit code 1: damage, a\n"
        "refused bundle, or a conflict; 2: wrong arguments, or no cache there.",
        epilog="example:\n  onetwo-like cache ls runs/cities --operation generate_text --since 7d",
    )
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="cache_command")

    ls = _command(
        below, "ls", _ls, "list entries, oldest first", "ls runs/cities --model 'gpt-4o*' --text Nice"
    )
    _add_filters(ls)
    show = _command(below, "show", _show, "show one entry in full", "show runs/cities 3f2a9c")
    show.add_argument("key", metavar="KEY", help="the key, or its beginning")
    _command(below, "stats", _stats, "count entries, tokens and cost", "stats runs/cities")
    diff = _command(
        below,
        "diff",
        _diff,
        "list the entries of one cache only, and those whose answers differ",
        "diff runs/a runs/b",
    )
    diff.add_argument("other", metavar="OTHER", help="the cache to compare with")
    _command(below, "verify", _verify, "check every entry and the files", "verify runs/cities")
    prune = _command(
        below,
        "prune",
        _prune,
        "delete entries; without --yes, only list them",
        "prune runs/cities --older-than 30d --yes",
    )
    _add_filters(prune)
    prune.add_argument(
        "--older-than", metavar="WHEN", help="only before a date, or of more than an age such as 30d"
    )
    prune.add_argument("--yes", action="store_true", help="delete them")
    export = _command(
        below, "export", _export, "write entries to a bundle", "export runs/cities cities.jsonl.gz --since 7d"
    )
    export.add_argument("bundle", metavar="BUNDLE", help="the file to write: *.jsonl.gz, or *.jsonl")
    _add_filters(export)
    import_ = _command(
        below,
        "import",
        _import,
        "add the entries of a bundle; existing entries stay as they are",
        "import runs/cities cities.jsonl.gz",
    )
    import_.add_argument(
        "bundle", metavar="BUNDLE", help="the file to read; the cache is made if it is missing"
    )


def _command(
    below: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    what: str,
    example: str,
) -> argparse.ArgumentParser:
    description = f"{what[0].upper()}{what[1:]}."
    parser: argparse.ArgumentParser = below.add_parser(
        name, help=what, description=description, epilog=f"example:\n  onetwo-like cache {example}"
    )
    parser.add_argument("path", metavar="PATH", help="the cache: a folder, or a bundle")
    parser.set_defaults(command=lambda arguments: _ending(function, arguments))
    return parser


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="NAME", help="only this model, provider or name; * stands for anything"
    )
    parser.add_argument("--operation", metavar="NAME", help="only this built-in, such as generate_text")
    parser.add_argument(
        "--since", metavar="WHEN", help="only since a date (2026-01-31), or of this age at most (12h, 7d)"
    )
    parser.add_argument(
        "--text", metavar="TEXT", help="only entries with this text in the request or the reply"
    )


def _filter(arguments: argparse.Namespace) -> Filter:
    now = time.time()
    since, before = arguments.since, getattr(arguments, "older_than", None)
    return Filter(
        arguments.model,
        arguments.operation,
        None if since is None else inspection.moment(since, now),
        None if before is None else inspection.moment(before, now),
        arguments.text,
    )


def _ending(function: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    try:
        return function(arguments)
    except CacheError as error:  # damage, or a bundle that is refused; that there is no cache is a UsageError
        print(f"onetwo-like cache {arguments.cache_command}: {error}", file=sys.stderr)
        return _NOT_AS_PROMISED


def _ls(arguments: argparse.Namespace) -> int:
    wanted = _filter(arguments)
    store = existing(arguments.path)
    count = _print_rows(entry for entry in entries_of(store) if wanted.means(entry))
    print(f"{count:,} of {len(store):,} entries", file=sys.stderr)
    return _warned_of_damage(store)


def _print_rows(entries: Iterable[Entry]) -> int:
    count = 0
    for count, entry in enumerate(entries, 1):  # noqa: B007  (counted)
        key, when, operation, model, request, reply = inspection.row(entry)
        print(f"{key}  {when:<16}  {operation:<15}  {model:<24}  {request:<40}  {reply}")
    return count


def _warned_of_damage(store: Store) -> int:
    readable = sum(1 for _ in entries_of(store))
    if readable == len(store):
        return _DONE
    print(
        f"{len(store) - readable:,} entries are damaged and not shown: `onetwo-like cache verify` names them",
        file=sys.stderr,
    )
    return _NOT_AS_PROMISED


def _show(arguments: argparse.Namespace) -> int:
    print(inspection.described(inspection.found(existing(arguments.path), arguments.key)))
    return _DONE


def _stats(arguments: argparse.Namespace) -> int:
    store = existing(arguments.path)
    print(inspection.statistics(entries_of(store)))
    return _warned_of_damage(store)


def _diff(arguments: argparse.Namespace) -> int:
    stores = existing(arguments.path), existing(arguments.other)
    found = inspection.differences(*stores)
    titles = [f"only in {arguments.path}", f"only in {arguments.other}", "answered differently"]
    for title, keys, store in zip(titles, found, (stores[0], stores[1], stores[0]), strict=True):
        print(f"{title}: {len(keys):,}")
        for key in sorted(keys):
            entry = inspection.entry_at(store, key)
            print(f"  {key[:12]}  {inspection.one_line(entry.document['arguments'], 60)}")
            if title == titles[2]:
                for path, one in zip((arguments.path, arguments.other), stores, strict=True):
                    reply = inspection.reply_of(inspection.entry_at(one, key))
                    print(f"    {path}: {inspection.one_line(reply, 70)}")
    return _DONE


def _verify(arguments: argparse.Namespace) -> int:
    store = existing(arguments.path)
    findings = 0
    for findings, finding in enumerate(inspection.damage(store), 1):  # noqa: B007  (counted)
        print(finding)
    print(f"{len(store):,} entries, {findings or 'no'} damage{'' if findings < 2 else 's'}", file=sys.stderr)
    return _NOT_AS_PROMISED if findings else _DONE


def _prune(arguments: argparse.Namespace) -> int:
    wanted = _filter(arguments)
    if wanted == Filter():
        raise UsageError("say what to delete: --older-than, --since, --model, --operation or --text")
    store = existing(arguments.path, read_only=not arguments.yes)
    if not arguments.yes:
        count = _print_rows(entry for entry in entries_of(store) if wanted.means(entry))
        print(f"{count:,} entries would be deleted: add --yes to do it", file=sys.stderr)
        return _DONE
    print(f"{inspection.prune(store, wanted):,} entries deleted, {len(store):,} left", file=sys.stderr)
    store.close()
    return _DONE


def _export(arguments: argparse.Namespace) -> int:
    wanted = _filter(arguments)
    _check_bundle_name(arguments.bundle)
    store = existing(arguments.path)
    keys = None if wanted == Filter() else [entry.key for entry in entries_of(store) if wanted.means(entry)]
    count = export_bundle(store, arguments.bundle, keys=keys)
    print(f"{count:,} entries written to {arguments.bundle}", file=sys.stderr)
    return _DONE


def _import(arguments: argparse.Namespace) -> int:
    _check_bundle_name(arguments.bundle)
    if arguments.path.endswith(SUFFIXES):
        raise UsageError(f"{arguments.path} is a bundle, which is for reading; name the folder of a cache")
    existing(arguments.bundle).close()  # checked before a folder is made for it
    folder = cache_folder(arguments.path)
    missing = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    store = DiskStore(folder) if missing else existing(arguments.path, read_only=False)
    done = import_bundle(arguments.bundle, store)
    store.close()
    print(f"{done.added:,} entries added, {done.same:,} were there", file=sys.stderr)
    if done.conflicts:
        print(
            f"{len(done.conflicts):,} conflicts: answered differently here, and one's own stays:",
            file=sys.stderr,
        )
        _print_keys(done.conflicts)
        return _NOT_AS_PROMISED
    return _DONE


def _print_keys(keys: Sequence[str]) -> None:
    for key in keys[:_SHOWN_KEYS]:
        print(key)
    if len(keys) > _SHOWN_KEYS:
        print(
            f"... and {len(keys) - _SHOWN_KEYS:,} more: `onetwo-like cache diff` shows all", file=sys.stderr
        )


def _check_bundle_name(name: str) -> None:
    if not name.endswith(SUFFIXES):
        raise UsageError(f"a bundle is called *.jsonl or *.jsonl.gz, not {name!r}")
