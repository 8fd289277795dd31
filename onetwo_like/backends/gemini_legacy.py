"""How does Gemini answer the built-ins, through google-generativeai, which has reached its end?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import warnings
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from onetwo_like.backends.chat_model import SAMPLING, Form
from onetwo_like.backends.failures import excerpt
from onetwo_like.backends.gemini_errors import broken_connection, refusal
from onetwo_like.backends.gemini_model import OWN_ENDPOINT, GeminiModel
from onetwo_like.backends.gemini_replies import COUNT, EMBED, GENERATE, Api, gather_answer
from onetwo_like.backends.gemini_schema import openapi_schema
from onetwo_like.backends.gemini_wire import as_json, model_path
from onetwo_like.backends.secrets import Secret
from onetwo_like.core.frozen import thawed
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import (
    ConnectionFailedError,
    InvalidRequestError,
    MalformedReplyError,
    OneTwoError,
    UnsupportedOptionError,
)

if TYPE_CHECKING:
    import requests

    from onetwo_like.builtins.tools import Tool

# What importing the SDK says to whoever chose it already: that it has ended, and until when its parts know this Python.
_KNOWN_WARNINGS = (
    r"\s*All support for the `google\.generativeai` package",
    r"You are using a Python version",
)
_LONGER_S = 1.0


class GeminiLegacy(GeminiModel):
    """A model of Google's, through google-generativeai: for programs that still need that SDK. Take `Gemini` instead.

    Google ended all support for the SDK in 2025. It holds protobuf below 6, and lacks what the API has learnt since:
    the options `seed` and `reasoning`, shown thoughts, and schemas for objects, which are asked for in JSON mode and
    in words. It asks in threads, `max_concurrency` of them. `extra` is as in `Gemini`, as far as the SDK knows its
    fields; others are an UnsupportedOptionError before any call. The key is `api_key`, GEMINI_API_KEY or GOOGLE_API_KEY; the other arguments are those
    of `Gemini`.

    >>> GeminiLegacy("gemini-1.5-flash", temperature=0)
    GeminiLegacy('gemini-1.5-flash')
    """

    sdk = "google.generativeai"
    extra = "gemini-legacy"
    honours = SAMPLING | {"top_k", "extra", "tools", "tool_choice"}

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        name: str | None = None,
        cache: Caching | None = None,
        timeout_s: float | None = 60.0,
        retries: int = 3,
        max_concurrency: int = 10,
        rpm: float | None = None,
        tpm: float | None = None,
        **defaults: Any,
    ) -> None:
        super().__init__(
            model,
            base_url=base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or OWN_ENDPOINT,
            api_key=api_key,
            name=name,
            cache=cache,
            timeout_s=timeout_s,
            retries=retries,
            max_concurrency=max_concurrency,
            rpm=rpm,
            tpm=tpm,
            close=_close,
            **defaults,
        )

    async def _form(self) -> Form:
        return "json"

    def _declared(self, tool: Tool) -> dict[str, Any]:
        schema = openapi_schema(thawed(tool.parameters), f"the tool {tool.name!r}")
        return {
            "name": tool.name,
            "description": tool.description,
            **({"parameters": schema} if schema else {}),
        }

    async def _ask(self, connection: _Connection, request: Request) -> Reply:
        api, (body, stream) = request.op, request.values
        assert isinstance(api, Api)
        # Ours rings first; the SDK's, which is for a part of the call only, ends the thread.
        options = {"retry": None, "timeout": self.timeout_s and self.timeout_s + _LONGER_S}
        name = f"stream_{_METHODS[api]}" if stream else _METHODS[api]
        method: Callable[..., Any] = getattr(connection.service, name)

        def call() -> Any:  # in a thread: making messages of files takes time as well
            return method(_message(api, self.model, body), **options)

        try:
            if stream:
                async with contextlib.aclosing(_pieces(connection.threads, call)) as pieces:
                    reply: object = await gather_answer(pieces)
            else:
                loop = asyncio.get_running_loop()
                reply = await loop.run_in_executor(connection.threads, lambda: _plain(call()))
            return api.reply(reply, None)
        except Exception as error:
            ours = _translated(error)
            if ours is None or ours is error:
                raise
            if (answer := getattr(error, "response", None)) is not None:
                self._learn({name.lower(): value for name, value in answer.headers.items()})
            raise ours from error

    def _connect(self, key: Secret) -> _Connection:
        for known in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", known, FutureWarning)
        import google.generativeai  # noqa: F401  (says what is missing, if it is)
        import requests  # comes with it
        from google.ai.generativelanguage import GenerativeServiceClient
        from google.ai.generativelanguage_v1beta.services.generative_service.transports.rest import (
            GenerativeServiceRestTransport,
        )
        from google.auth.credentials import AnonymousCredentials

        session = requests.Session()
        session.headers["x-goog-api-key"] = key.reveal()
        session.max_redirects = 0  # the key would go with the request, to wherever they lead
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=self._max_concurrency)
        session.mount(self.endpoint, adapter)

        class Transport(GenerativeServiceRestTransport):  # type: ignore[misc]
            def _prep_wrapped_messages(self, client_info: Any) -> None:
                self._session = session  # google.auth's sends a request twice more that gets a 401
                super()._prep_wrapped_messages(client_info)

        # A client of our own: `google.generativeai.configure` has one key and one address for the whole process.
        transport = Transport(host=self.endpoint, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        service = GenerativeServiceClient(transport=transport)
        return _Connection(service, session, ThreadPoolExecutor(self._max_concurrency, "gemini-legacy"))

    @property
    def _is_providers_own(self) -> bool:
        return self.endpoint == OWN_ENDPOINT


class _Connection(NamedTuple):
    """The client below the SDK's models, what it sends by, and the threads in which it asks."""

    service: Any
    session: requests.Session
    threads: ThreadPoolExecutor


async def _close(connection: _Connection) -> None:
    connection.session.close()
    connection.threads.shutdown(wait=False)


# The SDK

_METHODS = {GENERATE: "generate_content", EMBED: "batch_embed_contents", COUNT: "count_tokens"}


def _message(api: Api, model: str, body: dict[str, Any]) -> Any:
    """The body as the SDK's message. Raises UnsupportedOptionError for a field that the SDK does not know."""
    from google.generativeai import protos
    from google.protobuf.json_format import ParseError

    kind = {EMBED: protos.BatchEmbedContentsRequest, COUNT: protos.CountTokensRequest}.get(
        api, protos.GenerateContentRequest
    )
    try:
        return kind.from_json(json.dumps({**as_json(body), "model": model_path(model)}))
    except ParseError as error:
        said = str(error).partition("Available Fields")[0]
        raise UnsupportedOptionError(
            f"google-generativeai cannot express the request: {excerpt(said)} Take the backend Gemini."
        ) from None


async def _pieces(threads: ThreadPoolExecutor, call: Callable[[], Any]) -> AsyncGenerator[object, None]:
    """The chunks of a stream, which is read in a thread."""
    loop = asyncio.get_running_loop()
    come: asyncio.Queue[object] = asyncio.Queue()
    left = threading.Event()
    ended = object()

    def tell(piece: object) -> None:
        loop.call_soon_threadsafe(come.put_nowait, piece)

    def read() -> None:
        try:
            chunks = call()
            try:
                for chunk in chunks:
                    if left.is_set():
                        return
                    tell(_plain(chunk))
            finally:
                chunks.cancel()  # closes the response, whatever is left of it
        finally:
            if not left.is_set():
                tell(ended)

    reading = loop.run_in_executor(threads, read)
    try:
        while (piece := await come.get()) is not ended:
            yield piece
        await reading
    finally:
        left.set()
        reading.cancel()


def _plain(message: Any) -> Any:
    """A message of the SDK as the JSON that it was, apart from what the SDK does not know."""
    from google.protobuf.json_format import MessageToDict

    return _with_whole_numbers(MessageToDict(type(message).pb(message)))


def _with_whole_numbers(value: Any) -> Any:
    """The value with 3 where protobuf, to whom all numbers in the arguments of tools are floats, made it 3.0."""
    if isinstance(value, dict):
        return {name: _with_whole_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _translated(error: Exception) -> OneTwoError | None:
    from google.api_core.exceptions import GoogleAPICallError
    from google.protobuf.json_format import ParseError
    from requests import TooManyRedirects

    if isinstance(error, OneTwoError):
        return error
    if isinstance(error, GoogleAPICallError):
        answer = error.response
        headers = answer.headers if answer is not None else {}
        return refusal(int(error.code) if error.code else None, _body_of(answer) or error.message, headers)
    if isinstance(error, TooManyRedirects):
        return InvalidRequestError("the server sends on to another address. Give that as base_url.")
    if (broken := broken_connection(error)) is not None:
        return broken
    if str(error).startswith(_UNFINISHED) and (last := _object_in(str(error))):
        # Between two pieces, or after an error, of which the SDK itself makes an empty piece.
        broke_off = ConnectionFailedError("the stream broke off between two pieces")
        return refusal(None, last, {}) if "error" in last else broke_off
    # An array that is none, or ends within a piece.
    if isinstance(error, ParseError | ValueError | IndexError):
        return MalformedReplyError(f"the reply is not what was promised: {excerpt(str(error))}")
    return None


_UNFINISHED = "Unfinished stream: "  # and then the last piece


def _object_in(said: str) -> dict[str, Any] | None:
    try:
        last = json.loads(said.removeprefix(_UNFINISHED))
    except ValueError:
        return None
    return last if isinstance(last, dict) else None


def _body_of(answer: Any) -> object:
    try:
        return answer.json()
    except (ValueError, AttributeError):
        return None
