"""What does a user import first? Names only: heavy parts load on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onetwo_like import __version__
from onetwo_like.core.budget import Budget
from onetwo_like.core.combinators import with_current_registry, with_registry
from onetwo_like.core.content import Chunk, ChunkList, Message, Reasoning, ToolCall, ToolResult
from onetwo_like.core.events import (
    CacheHit,
    CallFinished,
    CallStarted,
    Dropped,
    Event,
    ItemFinished,
    Paced,
    Progress,
    Retrying,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    Update,
    emit,
)
from onetwo_like.core.executable import Executable
from onetwo_like.core.function import make_executable
from onetwo_like.core.late import late
from onetwo_like.core.outcome import Outcome
from onetwo_like.core.parallel import parallel
from onetwo_like.core.registry import Registry, RegistryContext, copy_registry, set_registry
from onetwo_like.core.request import Handler, Middleware, Reply, Request, Usage
from onetwo_like.core.run import run
from onetwo_like.core.sampling import repeat
from onetwo_like.core.stream import stream

if TYPE_CHECKING:
    from onetwo_like.builtins.composables import make_composable
    from onetwo_like.builtins.tools import Tool
    from onetwo_like.core.plan import Plan
    from onetwo_like.core.usage import usage
    from onetwo_like.experiments.arms import grid
    from onetwo_like.experiments.compare import compare, comparison, evaluate, evaluation
    from onetwo_like.experiments.result import Comparison, Evaluation
    from onetwo_like.experiments.statistics.power import examples_needed
    from onetwo_like.flows.each import each
    from onetwo_like.flows.flow import Flow
    from onetwo_like.flows.history import History
    from onetwo_like.flows.messages import attempt, receive, send
    from onetwo_like.flows.prompt import prompt
    from onetwo_like.flows.step import First, Stop, step
    from onetwo_like.flows.workflow import Workflow
    from onetwo_like.middleware.cache import Cache, caching
else:
    __getattr__, __dir__ = late(
        __name__,
        {
            "Tool": "onetwo_like.builtins.tools",
            "Plan": "onetwo_like.core.plan",
            "usage": "onetwo_like.core.usage",
            "Comparison": "onetwo_like.experiments.result",
            "Evaluation": "onetwo_like.experiments.result",
            "compare": "onetwo_like.experiments.compare",
            "comparison": "onetwo_like.experiments.compare",
            "evaluate": "onetwo_like.experiments.compare",
            "evaluation": "onetwo_like.experiments.compare",
            "examples_needed": "onetwo_like.experiments.statistics.power",
            "grid": "onetwo_like.experiments.arms",
            "First": "onetwo_like.flows.step",
            "Stop": "onetwo_like.flows.step",
            "Workflow": "onetwo_like.flows.workflow",
            "attempt": "onetwo_like.flows.messages",
            "receive": "onetwo_like.flows.messages",
            "send": "onetwo_like.flows.messages",
            "step": "onetwo_like.flows.step",
            "Flow": "onetwo_like.flows.flow",
            "History": "onetwo_like.flows.history",
            "each": "onetwo_like.flows.each",
            "prompt": "onetwo_like.flows.prompt",
            "Cache": "onetwo_like.middleware.cache",
            "caching": "onetwo_like.middleware.cache",
            "make_composable": "onetwo_like.builtins.composables",
        },
    )

__all__ = [
    "Budget",
    "Cache",
    "CacheHit",
    "CallFinished",
    "CallStarted",
    "Chunk",
    "ChunkList",
    "Comparison",
    "Dropped",
    "Evaluation",
    "Event",
    "Executable",
    "First",
    "Flow",
    "Handler",
    "History",
    "ItemFinished",
    "Message",
    "Middleware",
    "Outcome",
    "Paced",
    "Plan",
    "Progress",
    "Reasoning",
    "Registry",
    "RegistryContext",
    "Reply",
    "Request",
    "Retrying",
    "RunFinished",
    "RunStarted",
    "StepFinished",
    "StepStarted",
    "Stop",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Update",
    "Usage",
    "Workflow",
    "__version__",
    "attempt",
    "caching",
    "compare",
    "comparison",
    "copy_registry",
    "each",
    "emit",
    "evaluate",
    "evaluation",
    "examples_needed",
    "grid",
    "make_composable",
    "make_executable",
    "parallel",
    "prompt",
    "receive",
    "repeat",
    "run",
    "send",
    "set_registry",
    "step",
    "stream",
    "usage",
    "with_current_registry",
    "with_registry",
]
