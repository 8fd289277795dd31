"""Which steps need which, and is there an order in which all can run?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

# What each step needs of the other steps: a set in the form of a dict, in the order in which they are named.
Needs: TypeAlias = Mapping[str, Iterable[str]]


def users_of(needs: Needs) -> dict[str, list[str]]:
    """For each step, those that need it.

    >>> users_of({"title": [], "song": ["title"], "cast": ["title"]})
    {'title': ['song', 'cast'], 'song': [], 'cast': []}
    """
    users: dict[str, list[str]] = {name: [] for name in needs}
    for name, sources in needs.items():
        for source in sources:
            users[source].append(name)
    return users


def needed_for(names: Iterable[str], needs: Needs) -> set[str]:
    """The steps themselves, and all that they need.

    >>> sorted(needed_for(["b"], {"a": [], "b": ["a"], "c": ["b"]}))
    ['a', 'b']
    """
    found = set(names)
    waiting = list(found)
    while waiting:
        new = set(needs[waiting.pop()]) - found
        found |= new
        waiting.extend(new)
    return found


def cycle_in(needs: Needs) -> list[str] | None:
    """A path of steps, each of which needs the one before it, that ends where it began; None if there is none.

    >>> cycle_in({"a": ["c"], "b": ["a"], "c": ["b"]})
    ['a', 'b', 'c', 'a']
    """
    users = users_of(needs)
    left = {name: len(list(sources)) for name, sources in needs.items()}
    ready = [name for name, count in left.items() if count == 0]
    while ready:
        name = ready.pop()
        del left[name]
        for user in users[name]:
            left[user] -= 1
            if left[user] == 0:
                ready.append(user)
    if not left:
        return None
    # Whatever is left needs something that is left: going back from need to need must meet itself.
    path = [next(iter(left))]
    while path[-1] not in path[:-1]:
        path.append(next(source for source in needs[path[-1]] if source in left))
    cycle = path[path.index(path[-1]) :][::-1]
    order = list(needs)
    first = min(range(len(cycle) - 1), key=lambda i: order.index(cycle[i]))
    return [*cycle[first:-1], *cycle[: first + 1]]
