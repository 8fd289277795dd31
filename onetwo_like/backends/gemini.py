"""How does Gemini answer the built-ins, through google-genai?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from onetwo_like.backends.chat_model import SAMPLING
from onetwo_like.backends.gemini_errors import request_id_in
from onetwo_like.backends.gemini_model import OWN_ENDPOINT, GeminiModel
from onetwo_like.backends.gemini_replies import Api
from onetwo_like.backends.gemini_schema import json_schema
from onetwo_like.backends.gemini_sdk import asked, translated, warm_up
from onetwo_like.backends.secrets import Secret
from onetwo_like.core.frozen import thawed
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import BackendError, UsageError

if TYPE_CHECKING:
    import google.genai as genai
    import httpx2

    from onetwo_like.builtins.tools import Tool

_REGIONS = frozenset({"us", "eu"})


class Gemini(GeminiModel):
    """A model of Google's, by the Gemini API or with `vertexai=True` by Vertex AI.

    Also serves embed and count_tokens; instruct, select and others follow from these. Keyword arguments that
    are options of the built-ins (temperature, max_tokens, ...) are defaults for them. `extra` is a part of the
    body of the API's generateContent, such as `{"safetySettings": [...], "generationConfig": {"presencePenalty": 1}}`;
    for embed it has the options of embedContent, such as `{"taskType": "RETRIEVAL_QUERY"}`. Who gives `reasoning` is
    shown a summary of the thoughts, by `generate_content`.

    The key is `api_key`, GEMINI_API_KEY or GOOGLE_API_KEY, and is needed by the first call that is not replayed: a
    missing one is an AuthenticationError then. Vertex AI needs none, but the `project` (or GOOGLE_CLOUD_PROJECT), a
    `location` (or GOOGLE_CLOUD_LOCATION, or "global") and the machine's application default credentials; it is also
    asked with an `api_key` that is given here. `base_url` (else GOOGLE_GEMINI_BASE_URL) ends before the API's version.
    `name`, `retries`, `timeout_s`, `max_concurrency`, `rpm`, `tpm` and `http_client` are as in `OpenAI`.

    >>> Gemini("gemini-2.5-flash", temperature=0)
    Gemini('gemini-2.5-flash')
    >>> Gemini("gemini-2.5-flash", vertexai=True, project="my-project").fingerprint["endpoint"]
    'https://aiplatform.googleapis.com/projects/my-project/locations/global'
    """

    sdk = "google.genai"
    extra = "gemini"
    honours = SAMPLING | {"top_k", "seed", "reasoning", "extra", "tools", "tool_choice"}

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        vertexai: bool = False,
        project: str | None = None,
        location: str | None = None,
        base_url: str | None = None,
        name: str | None = None,
        cache: Caching | None = None,
        timeout_s: float | None = 60.0,
        retries: int = 3,
        max_concurrency: int = 100,
        rpm: float | None = None,
        tpm: float | None = None,
        http_client: httpx2.AsyncClient | None = None,
        **defaults: Any,
    ) -> None:
        self._place = _place(vertexai, api_key is not None, project, location)
        own = OWN_ENDPOINT if not vertexai else _vertex_endpoint(self._place)
        given = base_url or os.environ.get("GOOGLE_VERTEX_BASE_URL" if vertexai else "GOOGLE_GEMINI_BASE_URL")
        self._vertexai = vertexai
        self._own = not given
        self._http_client = http_client
        super().__init__(
            model,
            base_url=given or own,
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
        self._base_url = self.endpoint
        if self._place is not None:  # whose model answers, and whose limits hold
            self.endpoint += f"/projects/{self._place.project}/locations/{self._place.location}"

    def _declared(self, tool: Tool) -> dict[str, Any]:
        schema = json_schema(thawed(tool.parameters))
        return {"name": tool.name, "description": tool.description, "parametersJsonSchema": schema}

    def _embedding_body(self, texts: list[str], extra: dict[str, Any] | None) -> dict[str, Any]:
        if self._vertexai:  # has three ways to embed, of which the SDK takes the model's
            return {"texts": texts, "extra": thawed(extra or {})}
        return super()._embedding_body(texts, extra)

    async def _ask(self, connection: _Connection, request: Request) -> Reply:
        api, (body, stream) = request.op, request.values
        assert isinstance(api, Api)
        heard: dict[str, str] = {}

        def hear(headers: Mapping[str, str] | None) -> None:
            heard.update({name.lower(): value for name, value in (headers or {}).items()})
            self._learn(heard)

        try:
            reply = await asked(connection.client.aio.models, self.model, api, body, stream, hear)
            return api.reply(reply, request_id_in(heard))
        except Exception as error:
            ours = translated(error, hear)
            if isinstance(ours, BackendError):
                ours.request_id = ours.request_id or request_id_in(heard)
            if ours is None or ours is error:
                raise
            raise ours from error

    def _connect(self, key: Secret) -> _Connection:
        import google.genai as genai
        import httpx2  # comes with google-genai
        from google.genai import types

        warm_up()
        trusted = httpx2.create_ssl_context()  # takes a while, and the SDK would make two more of its own
        own = None
        if self._http_client is None:
            most = self._max_concurrency
            limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
            # Redirects are not followed: the key would go with them, to wherever they lead.
            own = httpx2.AsyncClient(verify=trusted, limits=limits, timeout=None, follow_redirects=False)
        options = types.HttpOptions(
            base_url=self._base_url,
            api_version="v1beta1" if self._vertexai else "v1beta",
            retry_options=types.HttpRetryOptions(
                attempts=1
            ),  # ours are in the middleware, and can be watched
            httpx_async_client=own or self._http_client,
            client_args={"verify": trusted},
            async_client_args={"ssl": trusted},
        )
        client = genai.Client(
            vertexai=self._vertexai,
            api_key=key.reveal() or None,
            project=self._place.project if self._place else None,
            location=self._place.location if self._place else None,
            http_options=options,
        )
        return _Connection(client, own)

    def _key(self) -> Secret:
        if self._vertexai and self._secret is None:
            return Secret("")  # the SDK finds the machine's credentials
        return super()._key()

    @property
    def _is_providers_own(self) -> bool:
        return self._own

    def __repr__(self) -> str:
        place = f", project={self._place.project!r}, location={self._place.location!r}" if self._place else ""
        vertexai = f", vertexai=True{place}" if self._vertexai else ""
        base_url = "" if self._own else f", base_url={self._base_url!r}"
        name = f", name={self.name!r}" if self.name else ""
        return f"Gemini({self.model!r}{vertexai}{base_url}{name})"


class _Place(NamedTuple):
    """Whose models Vertex AI runs, and where."""

    project: str
    location: str


def _place(vertexai: bool, has_key: bool, project: str | None, location: str | None) -> _Place | None:
    if not vertexai:
        if project or location:
            raise UsageError(
                "project= and location= are for Vertex AI: give vertexai=True, or leave them out"
            )
        return None
    if has_key and not project:
        if location:
            raise UsageError("location= needs project=; with api_key= alone, Vertex AI has neither")
        return None
    project = project or os.environ.get("GOOGLE_CLOUD_PROJECT")
    if not project:
        raise UsageError("vertexai=True needs project=, or the variable GOOGLE_CLOUD_PROJECT")
    return _Place(project, location or os.environ.get("GOOGLE_CLOUD_LOCATION") or "global")


def _vertex_endpoint(place: _Place | None) -> str:
    location = place.location if place else "global"
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


class _Connection(NamedTuple):
    """The SDK's client, and the HTTP client if it is ours to close."""

    client: genai.Client
    http: httpx2.AsyncClient | None


async def _close(connection: _Connection) -> None:
    await connection.client.aio.aclose()
    connection.client.close()
    if connection.http is not None:
        await connection.http.aclose()
