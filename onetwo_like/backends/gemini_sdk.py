"""How is google-genai asked, and what has it answered?

What is sent is written in the words of the REST API, and handed to the SDK as it is (`extra_body`); what comes
back is taken as plain JSON: an SDK that fills gaps with None would hide what is missing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeAlias

from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.gemini_errors import broken_connection, failure, refusal
from onetwo_like.backends.gemini_replies import EMBED, GENERATE, Api, gather_answer
from onetwo_like.backends.gemini_wire import as_json
from onetwo_like.backends.stainless_errors import own_error_in
from onetwo_like.errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidRequestError,
    MalformedReplyError,
    OneTwoError,
    UnsupportedOptionError,
    UsageError,
)

Hear: TypeAlias = Callable[[Mapping[str, str] | None], None]
"""Is told the headers of a reply."""

# The SDK wants contents beside `extra_body`, which takes their place.
_PLACEHOLDER = "-"
_UNREADABLE = (AttributeError, IndexError, KeyError, TypeError)  # the SDK, on a reply of another shape


def warm_up() -> None:
    """Has the SDK build now what it would build in the first call, where that holds the event loop for a while."""
    from google.genai import types

    _config(types.HttpOptions())
    types.GenerateContentResponse.model_validate({"candidates": [{"content": {"parts": [{"text": ""}]}}]})


async def asked(models: Any, model: str, api: Api, body: dict[str, Any], stream: bool, hear: Hear) -> object:
    """The API's reply as JSON; `models` is the SDK's `client.aio.models`. Raises what the SDK raises."""
    from google.genai import types

    if stream:
        return await _streamed(models, model, body, hear)
    if "texts" in body:
        return await _embedded(models, model, body, hear)
    options = types.HttpOptions(extra_body=as_json(body))
    if api is GENERATE:
        config = _config(options, should_return_http_response=True)
        response = await models.generate_content(model=model, contents=_PLACEHOLDER, config=config)
        hear(response.sdk_http_response.headers)
        return _json_of(response.sdk_http_response)
    method, kind = (
        (models.embed_content, types.EmbedContentConfig)
        if api is EMBED
        else (models.count_tokens, types.CountTokensConfig)
    )
    with _reading():
        return _plain(
            await method(model=model, contents=_PLACEHOLDER, config=kind(http_options=options)), hear
        )


async def _streamed(models: Any, model: str, body: dict[str, Any], hear: Hear) -> object:
    from google.genai import types

    config = _config(types.HttpOptions(extra_body=as_json(body)))
    chunks = await models.generate_content_stream(model=model, contents=_PLACEHOLDER, config=config)

    async def plain() -> AsyncIterator[object]:
        while True:
            with _reading():
                try:
                    chunk = _plain(await anext(chunks), hear)
                except StopAsyncIteration:
                    return
            yield chunk

    async with contextlib.aclosing(chunks):
        return await gather_answer(plain())


async def _embedded(models: Any, model: str, body: dict[str, Any], hear: Hear) -> object:
    """The vectors of Vertex AI, whose ways to embed the SDK knows; and no option that it does not know."""
    from google.genai import types
    from pydantic import ValidationError

    known = {str(f.alias) for n, f in types.EmbedContentConfig.model_fields.items() if n != "http_options"}
    if unknown := body["extra"].keys() - known:
        raise UnsupportedOptionError(
            f"extra for embed has {', '.join(sorted(unknown))}; on Vertex AI it takes {', '.join(sorted(known))}"
        )
    try:
        config = types.EmbedContentConfig(**body["extra"])
    except ValidationError as error:
        raise UsageError(f"extra for embed: {excerpt(str(error))}") from None
    # Each text as a content of its own: of a list of texts, some models would make one vector.
    contents = [types.Content(parts=[types.Part(text=text)]) for text in body["texts"]]
    with _reading():
        return _plain(await models.embed_content(model=model, contents=contents, config=config), hear)


def _config(options: Any, **more: Any) -> Any:
    from google.genai import types

    return types.GenerateContentConfig(
        http_options=options,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,  # these would be calls that nobody sees or paces
        **more,
    )


# What it answered


def _json_of(response: Any) -> object:
    _check_type(response.headers or {}, response.body or "")
    return json.loads(response.body or "")


def _plain(response: Any, hear: Hear) -> object:
    """What the SDK made of a reply, as the JSON that it was: fields that did not come are not there."""
    sent = response.sdk_http_response
    hear(sent.headers)
    _check_type(sent.headers or {}, "")
    return response.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude={"sdk_http_response", "parsed"}
    )


def _check_type(headers: Mapping[str, str], body: str) -> None:
    kind = headers.get("content-type", "")
    if "json" not in kind and "event-stream" not in kind:
        raise MalformedReplyError(f"the reply is {kind or 'of no type'}, not JSON: {excerpt(body)}")


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Where the SDK reads a reply, of whatever shape that is."""
    try:
        yield
    except OneTwoError:
        raise
    except _UNREADABLE as error:
        raise MalformedReplyError(f"the SDK cannot read the reply: {excerpt(str(error))}") from error


def translated(error: Exception, hear: Hear) -> OneTwoError | None:
    """Our error for what went wrong, or the error itself if it is one; None for what is nobody's."""
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.genai.errors import APIError, UnknownApiResponseError
    from pydantic import ValidationError

    if isinstance(error, OneTwoError):
        return error
    if isinstance(error, APIError):
        headers = getattr(error.response, "headers", None)
        hear(headers)
        return refusal(error.code, error.details, headers or {})
    if isinstance(error, TransportError):
        return failure(ConnectionFailedError, f"the credentials cannot be renewed: {excerpt(str(error))}")
    if isinstance(error, GoogleAuthError):
        return AuthenticationError(
            f"Google's application default credentials: {excerpt(str(error))} "
            "Run `gcloud auth application-default login`, or give api_key=."
        )
    if isinstance(
        error, UnknownApiResponseError | ValidationError | json.JSONDecodeError | UnicodeDecodeError
    ):
        return MalformedReplyError(f"the reply is not what was promised: {excerpt(str(error))}")
    if isinstance(error, ExceptionGroup):  # what the SDK does not expect to happen while it connects
        own: OneTwoError | None = own_error_in(error)
        return own
    if (broken := broken_connection(error)) is not None:
        return broken
    if isinstance(error, ValueError):
        return InvalidRequestError(f"the SDK refuses the request: {excerpt(str(error))}")
    return None
