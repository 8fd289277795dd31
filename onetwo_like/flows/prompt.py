"""How does a step of a flow ask a model, with the values of other steps in the prompt?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onetwo_like.builtins import llm
from onetwo_like.builtins.context import Draft, spoken
from onetwo_like.builtins.templates import JinjaTemplate, jinja_template
from onetwo_like.core.content import ChunkList, Message, as_messages
from onetwo_like.core.executable import described
from onetwo_like.core.operation import Operation
from onetwo_like.errors import FlowError, UsageError
from onetwo_like.flows.each import Each
from onetwo_like.flows.flow_steps import Asking, Need
from onetwo_like.flows.history import History


class Prompt(Asking):
    """A template that is filled in and answered by a model; see `prompt`."""

    def __init__(
        self, template: str, system: str | None, history: str | None, options: Mapping[str, Any]
    ) -> None:
        self.template = _template(template, "the template")
        self.system = None if system is None else _template(system, "system=")
        self.history = history
        self.kind = "prompt" if system is None and history is None else "chat"
        self._ask: Operation[..., str] = llm.generate_text if self.kind == "prompt" else llm.chat
        variables = dict.fromkeys([*self.template.variables, *(self.system.variables if self.system else ())])
        mapped = {name: value for name, value in options.items() if isinstance(value, Each)}
        self.options = {name: value for name, value in options.items() if name not in mapped}
        for name in mapped:
            if name not in variables and name != history:
                told = ", ".join(variables) or "none"
                raise UsageError(
                    f"ot.prompt: the template has no variable {name!r} to map over; it has {told}"
                )
        for name in self.options:
            if name in variables and name not in self._ask.parameters:
                raise UsageError(
                    f"ot.prompt: {name!r} is a variable of the template, so the step or input of that name fills it. "
                    f"A value that is always the same is a step, ot.Flow({name}=...)"
                )
        self._ask.resolved(self.options)  # an unknown or a wrong one is refused here, where it is written
        needs = []
        for name in variables:
            if name == history:
                continue  # a template may read the history as well: {{ conversation.text }}
            source = mapped[name].name if name in mapped else name
            needs.append(Need(source, name, each=name in mapped))
        if history is not None:
            source = mapped[history].name if history in mapped else history
            needs.append(Need(source, history, History, each=history in mapped))
        self.needs = tuple(needs)
        value: Any = str if history is None else History
        self.returns = list[value] if self.maps else value

    async def made_of(self, arguments: dict[str, Any]) -> Any:
        history = None if self.history is None else arguments[self.history]
        asked = await _filled(self.template, arguments)
        if self.kind == "prompt":
            return await self._ask(asked, **self.options)
        if history is None:
            history = History()
        elif not isinstance(history, History):
            raise FlowError(
                f"{self.history} is to be a history, ot.History(...), and not {described(history)}"
            )
        if self.system is not None:
            history = History(history.messages, system=await _filled(self.system, arguments))
        history += _messages(asked)
        answer: str = await self._ask(history.messages, **self.options)
        return answer if self.history is None else history + Message("model", answer)

    def __repr__(self) -> str:
        return f"ot.prompt({self.template.source!r:.60})"


def _template(source: object, what: str) -> JinjaTemplate:
    if not isinstance(source, str):
        raise UsageError(f"ot.prompt takes {what} as a str, not {described(source)}")
    return jinja_template(str(source))


async def _filled(template: JinjaTemplate, variables: Mapping[str, Any]) -> str | ChunkList:
    draft = Draft(variables=variables)
    await template.render(draft)
    return draft.prompt()


def _messages(asked: str | ChunkList) -> tuple[Message, ...]:
    return as_messages(spoken(asked))


def prompt(
    template: str, /, *, system: str | None = None, history: str | None = None, **options: Any
) -> Prompt:
    """A step of an `ot.Flow`: text in, a model's answer out.

    The variables of the Jinja template are filled by the steps and inputs of the same names; their
    values are never read as templates. It asks `llm.generate_text`; with `system` (a template too)
    or `history` it asks `llm.chat`. `history` is the name of the step or input that makes an
    `ot.History`, and then the value is a new one with the prompt and the answer added. The options are
    those of the built-in; a variable given as `ot.each("names")` takes the elements of that list.

    TemplateError if the template is malformed, UsageError for an option that does not exist.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> flow = ot.Flow(city=ot.prompt("The largest city in {{ country }}:", max_tokens=5))
    >>> with ot.RegistryContext():
    ...     llm.generate_text.configure(lambda prompt, max_tokens: {"The largest city in Spain:": "Madrid"}[prompt])
    ...     ot.run(flow(country="Spain"))
    {'city': 'Madrid'}
    """
    if history is not None and not (isinstance(history, str) and history.isidentifier()):
        raise UsageError(
            f"ot.prompt takes history as the name of the step or input that makes it, not {described(history)}"
        )
    return Prompt(template, system, history, options)
