"""How does a metric put its question to a model?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from onetwo_like.backends.base import Backend
from onetwo_like.builtins.context import Draft
from onetwo_like.builtins.templates import JinjaTemplate, jinja_template
from onetwo_like.core.content import ChunkList
from onetwo_like.core.executable import described
from onetwo_like.core.registry import Registry
from onetwo_like.errors import TemplateError, UsageError


def question(source: str, variables: Collection[str], needed: Collection[str] = ()) -> JinjaTemplate:
    """The template of a question; TemplateError for a variable that nothing fills, or one that it should read."""
    if not isinstance(source, str):
        raise UsageError(f"a question is a Jinja template, a str, not {described(source)}")
    template = jinja_template(source)
    for name in template.variables:
        if name not in variables:
            known = ", ".join(variables)
            raise TemplateError(f"template {source!r:.80}: nothing fills {name!r}; the variables are {known}")
    for name in needed:
        if name not in template.variables:
            raise TemplateError(
                f"template {source!r:.80}: it has to say where the answer goes, {{{{ {name} }}}}"
            )
    return template


async def filled(template: JinjaTemplate, variables: Mapping[str, Any]) -> str | ChunkList:
    """The question, with these values in it, which are never read as a template."""
    draft = Draft(variables=variables)
    await template.render(draft)
    return draft.prompt()


def registry_of(judge: Backend | Registry) -> Registry:
    """What answers: a registry, or that of a backend."""
    if isinstance(judge, Backend):
        return Registry(judge.bindings())
    if not isinstance(judge, Registry):
        raise UsageError(
            f"backend= is a backend or a registry from ot.copy_registry(), not {described(judge)}"
        )
    return judge
