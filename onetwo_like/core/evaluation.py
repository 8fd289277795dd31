"""How is a graph of executables evaluated, each node once, with nothing left running behind?"""

from __future__ import annotations

import asyncio
import warnings
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, Never, Self

from onetwo_like.core.registry import put_back, scope_in_force
from onetwo_like.errors import RunCancelled

# After this long, a body that has swallowed its cancellation is named.
PATIENCE_S = 1.0


class Kind:
    """What a node does. A control kind is given its arguments as they are and evaluates them itself."""

    name = ""
    control = False

    def ready(
        self, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
        """The arguments of a node after those that were executables have been replaced by their values."""
        return args, kwargs

    async def once(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        """The value, or an executable that stands for it."""
        raise TypeError(f"{self.name} is a control node")

    async def call(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        """The final value of a node that has neither control nor executables among its arguments."""
        raise TypeError(f"{self.name} is a control node")

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        """The value of a control node."""
        raise TypeError(f"{self.name} is not a control node")

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        """The call as it was written, shortened."""
        return f"{self.name}({shown_arguments(args, kwargs)})"


def shown_arguments(args: Iterable[Any], kwargs: dict[str, Any] | None) -> str:
    """Arguments as they were written, shortened."""
    parts = [shortened(a) for a in args]
    parts += [f"{n}={shortened(v)}" for n, v in (kwargs or {}).items()]
    return ", ".join(parts)


def shortened(value: Any, limit: int = 60) -> str:
    """The repr, cut in the middle."""
    text = value.kind.name + "(...)" if isinstance(value, Node) else repr(value)
    return text if len(text) <= limit else f"{text[: limit - 20]}...{text[-16:]}"


class Node:
    """A kind and its arguments. `edges` says whether others must be evaluated before or within it."""

    __slots__ = ("__weakref__", "args", "edges", "kind", "kwargs")
    kind: Kind
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None
    edges: bool

    def __init__(self, kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        edges = kind.control
        if not edges:
            for a in args:
                if isinstance(a, Node):
                    edges = True
                    break
            else:
                if kwargs:
                    edges = any(isinstance(a, Node) for a in kwargs.values())
        _set_kind(self, kind)
        _set_args(self, args)
        _set_kwargs(self, kwargs)
        _set_edges(self, edges)

    def __setattr__(self, name: str, _value: object) -> Never:
        raise AttributeError(
            f"an Executable does not change, so its {name!r} cannot be set; call again to make another"
        )

    def __delattr__(self, name: str) -> Never:
        raise AttributeError(f"an Executable does not change, so its {name!r} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self


# What fills a new node goes past the `__setattr__` that refuses; twice as fast as `object.__setattr__`.
_set_kind, _set_args, _set_kwargs, _set_edges = [
    vars(Node)[name].__set__ for name in ("kind", "args", "kwargs", "edges")
]


class Held:
    """Hides an executable from evaluation: whoever unwraps it decides when it runs."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return shortened(self.node)


class Escaped(Exception):
    """Carries a SystemExit or KeyboardInterrupt through a task, which would stop the loop with it."""

    def __init__(self, inner: BaseException) -> None:
        super().__init__(repr(inner))
        self.inner = inner


class Cell:
    """A node being evaluated: its task, and how many wait for it."""

    __slots__ = ("abandoned", "task", "users")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.users = 0
        self.abandoned = False


class Evaluation:
    """One evaluation of one graph: a node that several others use runs once."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        # Weak, so that the items of a lazy parallel go as they finish.
        self._cells: weakref.WeakKeyDictionary[Node, Cell] | None = None

    def cell(self, node: Node) -> Cell:
        """The node's cell, started if it is not there."""
        cells = self._cells
        if cells is None:
            cells = self._cells = weakref.WeakKeyDictionary()
        cell = cells.get(node)
        if cell is None or cell.abandoned:
            loop = asyncio.get_running_loop()
            cell = cells[node] = Cell(loop.create_task(self._task(node), name=node.kind.name))
        return cell

    async def _task(self, node: Node) -> Any:
        try:
            value = await self.once(node)
            while isinstance(value, Node):
                value = await Evaluation().once(value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(error) from None
        return value

    async def once(self, node: Node) -> Any:
        """The node's value, or the executable that its body returned."""
        kind = node.kind
        if kind.control:
            return await kind.run(node.args, self)
        if node.edges:
            args, kwargs = await self._inputs(node)
            return await kind.once(*kind.ready(args, kwargs))
        return await kind.once(node.args, node.kwargs)

    async def value(self, node: Node) -> Any:
        """The node's value, as one more user of it."""
        cell = self.cell(node)
        await join([cell])
        return cell.task.result()

    async def _inputs(self, node: Node) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
        cells = [self.cell(a) if isinstance(a, Node) else None for a in node.args]
        named = (
            {n: self.cell(a) for n, a in node.kwargs.items() if isinstance(a, Node)} if node.kwargs else {}
        )
        await join([c for c in cells if c is not None] + list(named.values()))
        args = tuple([a if c is None else c.task.result() for a, c in zip(node.args, cells, strict=True)])
        kwargs = node.kwargs
        if named and kwargs:
            kwargs = {n: named[n].task.result() if n in named else a for n, a in kwargs.items()}
        return args, kwargs


async def evaluate(node: Node) -> Any:
    """The value of a node in an evaluation of its own, on the registry as it is now."""
    scope = scope_in_force.get()
    token = None if scope.cell is None else scope_in_force.set(scope.entered())
    try:
        value = await Evaluation().once(node)
        # In a task: what a chain of bodies returns, each within the scope of the last, must not nest in one stack.
        return await Evaluation().value(value) if isinstance(value, Node) else value
    finally:
        if token is not None:
            put_back(token)


async def evaluate_below(node: Node) -> Any:
    """`evaluate` for a control node, of which there may be thousands within one another."""
    return await (Evaluation().value(node) if node.kind.control else evaluate(node))


async def join(cells: Sequence[Cell]) -> None:
    """Waits until all have a value; the first failure in time is raised, when the others have stopped."""
    for cell in cells:
        cell.users += 1
    failed = _failed_already(cells)
    try:
        pending = {cell.task for cell in cells if not cell.task.done()}
        if pending and failed is None:
            left = len(pending)
            over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def ended(task: asyncio.Task[Any]) -> None:
                nonlocal left, failed
                left -= 1
                if _failed(task) and failed is None:
                    failed = task
                if (left == 0 or failed is not None) and not over.done():
                    over.set_result(None)

            # Done-callbacks cost a third of a TaskGroup, and leave the error as it was raised.
            for task in pending:
                task.add_done_callback(ended)
            await over
        raise_failure(failed)
    finally:
        await leave(cells)


def _failed_already(cells: Sequence[Cell]) -> asyncio.Task[Any] | None:
    failed = [cell.task for cell in cells if cell.task.done() and _failed(cell.task)]
    return failed[0] if failed else None


def _failed(task: asyncio.Task[Any]) -> bool:
    """Whether it has ended so. To be asked of each task: asyncio logs an error that nobody has looked at."""
    return task.cancelled() or task.exception() is not None


def raise_failure(task: asyncio.Task[Any] | None) -> None:
    """Raises what ended the task, as the same object; nothing if it has a value."""
    if task is None:
        return
    if task.cancelled():
        raise cancelled_inside(task)
    error = task.exception()
    if isinstance(error, Escaped):
        raise error.inner
    if error is not None:
        raise error


def cancelled_inside(task: asyncio.Task[Any]) -> RunCancelled:
    """What is raised in the place of a cancellation that nobody outside asked for."""
    return RunCancelled(f"{task.get_name()} was cancelled from inside its own body")


async def leave(cells: Iterable[Cell]) -> None:
    """One user less for each; those with none left are cancelled, and have stopped on return."""
    late = []
    for cell in cells:
        cell.users -= 1
        if cell.users == 0 and not cell.task.done():
            cell.abandoned = True
            late.append(cell.task)
    if late:
        await stop(late)


async def stop(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancels the tasks and waits until they have stopped; names those that take over a second."""
    for task in tasks:
        task.cancel()
    loop = asyncio.get_running_loop()
    warning = loop.call_later(PATIENCE_S, _name_the_stubborn, tasks)
    cancelled_meanwhile = False
    try:
        while left := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError:
                cancelled_meanwhile = True
    finally:
        warning.cancel()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # what failed while it was being stopped concerns nobody
    if cancelled_meanwhile:
        raise asyncio.CancelledError


def _name_the_stubborn(tasks: Sequence[asyncio.Task[Any]]) -> None:
    names = sorted({task.get_name() for task in tasks if not task.done()})
    if names:
        warnings.warn(
            f"still running {PATIENCE_S:g} s after being cancelled: {', '.join(names)}. "
            "A body that catches CancelledError must raise it again.",
            RuntimeWarning,
            stacklevel=2,
        )
