"""How is a trace read in a terminal?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onetwo_like.core.evaluation import shortened
from onetwo_like.core.trace import Span


def text(span: Span) -> str:
    """The tree, one line per span, indented by depth."""
    return "\n".join(["  " * depth + line(inner, top=depth == 0) for depth, inner in span.levels()])


def line(span: Span, top: bool = False) -> str:
    """One span: the call, how long it took, what it cost, and what came out."""
    notes = [seconds(span.duration)]
    if span.waiting:
        notes.append(f"waited {seconds(span.waiting)}")
    if span.attempts > 1:
        notes.append(f"{span.attempts} attempts")
    if top:
        notes += summary(span)
    else:
        notes += [span.cache] if span.cache else []
        notes += tokens(span)
    if span.error is not None:
        outcome = f" !! {type_of(span.error)}: {shown(span.error, str)}".replace("\n", " ")
    elif span.duration is None:
        outcome = ""
    else:
        outcome = f" -> {shown(span.output)}"
    return f"{span.name or 'run'}{arguments(span.inputs)} ({', '.join(notes)}){outcome}"


def shown(value: Any, how: Callable[[Any], str] = shortened) -> str:
    """The value in short, whatever its class may do when it is shown."""
    try:
        return str(how(value))
    except Exception:  # noqa: BLE001  (the repr of a user's object may raise anything)
        return f"<{type(value).__name__} that cannot be shown>"


def arguments(inputs: Any) -> str:
    """The inputs as the call was written, shortened."""
    if not isinstance(inputs, dict) or not inputs:
        return "" if inputs is None or inputs == {} else f" {shown(inputs)}"
    return " " + ", ".join([f"{name}={shown(value)}" for name, value in inputs.items()])


def summary(span: Span) -> list[str]:
    """What the calls below come to, in words; empty if there are none."""
    total = span.total()
    if not total.calls:
        return []
    notes = [f"{total.calls} calls" if total.calls > 1 else "1 call"]
    notes += [f"{total.replayed} replayed"] * (total.replayed > 0)
    notes += [f"{total.failed} failed"] * (total.failed > 0)
    if total.input_tokens or total.output_tokens:
        notes.append(f"{total.input_tokens} + {total.output_tokens} tokens")
    if total.cost is not None:
        notes.append(f"{dollars(total.cost)}, {dollars(total.paid or 0.0)} of it now")
    return notes


def tokens(span: Span) -> list[str]:
    """Tokens and cost of one call, as far as they are known."""
    usage = span.usage
    if usage is None:
        return []
    notes = []
    if usage.input_tokens is not None or usage.output_tokens is not None:
        sent, received = ["?" if n is None else str(n) for n in (usage.input_tokens, usage.output_tokens)]
        notes.append(f"{sent} + {received} tokens")
    if usage.cost is not None:
        notes.append(dollars(usage.cost))
    return notes


def seconds(duration: float | None) -> str:
    """A duration in a unit that suits it."""
    if duration is None:
        return "running"
    return f"{duration * 1000:.1f} ms" if duration < 1 else f"{duration:.2f} s"


def dollars(cost: float) -> str:
    """An amount in US dollars, to four significant digits."""
    return f"${cost:.4g}"


def type_of(error: BaseException) -> str:
    """The name of the error's class, also of one that was read from a file."""
    return getattr(error, "type_name", None) or type(error).__name__
