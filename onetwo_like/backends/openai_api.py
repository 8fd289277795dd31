"""How is an OpenAI-compatible server called, and what is made of its answer?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.openai_errors import own_error_in, translated
from onetwo_like.backends.openai_wire import (
    Api,
    read_chat,
    read_completions,
    read_embeddings,
    streamed,
    usage_of,
)
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import BackendError, MalformedReplyError

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI, AsyncStream

CHAT = Api("chat.completions", "/chat/completions", read_chat)
COMPLETIONS = Api("completions", "/completions", read_completions)
EMBEDDINGS = Api("embeddings", "/embeddings", read_embeddings)


async def ask(client: AsyncOpenAI, request: Request, learn: Callable[[Mapping[str, str]], None]) -> Reply:
    """One call of the API, through the SDK, with errors of ours. The request's operation is the path.

    `learn` is told the headers of each reply, also of one that refuses.
    """
    import httpx2
    from openai import AsyncStream, OpenAIError

    api, (body, stream) = request.op, request.values
    assert isinstance(api, Api)
    request_id = None
    try:
        if stream:
            body = {**body, "stream": True, "stream_options": {"include_usage": True}}
            events = await client.post(
                api.path, body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
            )
            request_id = events.response.headers.get("x-request-id")
            learn(events.response.headers)
            async with events:
                reply = await _whole(events)
        else:
            response = await client.post(api.path, body=body, cast_to=httpx2.Response)
            request_id = response.headers.get("x-request-id")
            learn(response.headers)
            reply = _json_of(response)
        value = api.read(reply)
    except OpenAIError as error:
        if (refusal := getattr(error, "response", None)) is not None:
            learn(refusal.headers)
        failure = translated(error)
        failure.request_id = failure.request_id or request_id
        raise failure from error
    except BackendError as error:
        error.request_id = request_id
        raise
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise MalformedReplyError(f"the reply is not JSON: {error}", request_id=request_id) from error
    except ExceptionGroup as group:  # what the SDK does not expect to happen while it connects
        if (own := own_error_in(group)) is None:
            raise
        raise own from None
    model = reply.get("model")
    return Reply(
        value,
        usage_of(reply),
        model_version=model if isinstance(model, str) else None,
        request_id=request_id,
    )


async def _whole(events: AsyncStream[object]) -> dict[str, Any]:
    if "event-stream" in events.response.headers.get("content-type", ""):
        return await streamed(events)
    await events.response.aread()  # some servers do not stream: then the answer comes in one piece
    return _json_of(events.response)


def _json_of(response: httpx2.Response) -> dict[str, Any]:
    content_type = response.headers.get("content-type", "")
    if "json" not in content_type:
        raise MalformedReplyError(
            f"the reply is {content_type or 'of no type'}, not JSON: {excerpt(response.text)}"
        )
    reply = json.loads(response.content)
    if not isinstance(reply, dict):
        raise MalformedReplyError(f"the reply is not a JSON object: {excerpt(response.text)}")
    return reply
