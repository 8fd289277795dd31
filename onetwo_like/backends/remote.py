"""What do all models behind a network have in common?

    operation (a method of the backend)       such as generate_object: a call, and one more per repair
    └── retrying, pacing                      around each call of the provider's API
        └── one attempt                       within `timeout_s`, the key masked in what goes wrong
            └── `_ask`                        the provider's SDK, its errors translated

What is sent to the provider is a Request as well, whose operation is a path of its API, so that every
middleware can be put around it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from onetwo_like.backends.base import Backend
from onetwo_like.backends.clients import Clients
from onetwo_like.backends.prices import load, priced
from onetwo_like.backends.secrets import Secret, hide
from onetwo_like.core.combinators import positive
from onetwo_like.core.evaluation import Cell, join
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Handler, Reply, Request, Usage
from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    MissingExtraError,
    UsageError,
)
from onetwo_like.middleware.pace import Lane, shared_pacer
from onetwo_like.middleware.retry import retrying

T = TypeVar("T")

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Remote(Backend):
    """A backend that asks a provider over a network through its SDK.

    A class of this kind connects (`_connect`) and asks (`_ask`: one call of the API); `close` closes a client.
    Its methods call `self._send`; retries, pace, time-outs, clients and secrets are here.
    """

    sdk: ClassVar[str]
    extra: ClassVar[str]
    key_variable: ClassVar[str]

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None,
        name: str | None,
        cache: Caching | None,
        timeout_s: float | None,
        retries: int,
        max_concurrency: int,
        rpm: float | None = None,
        tpm: float | None = None,
        close: Callable[[Any], Awaitable[None]],
        **defaults: Any,
    ) -> None:
        self.model = _a_name(model, "the model's name")
        self.endpoint = endpoint_of(base_url)
        self.timeout_s = None if timeout_s is None else positive(timeout_s, "timeout_s")
        if not isinstance(api_key, str | None):
            raise UsageError(f"api_key is a str, not {type(api_key).__name__}")
        self._secret = None if api_key is None else Secret(api_key.strip())
        self._max_concurrency = _at_least(1, max_concurrency, "max_concurrency")
        self._rpm = None if rpm is None else positive(rpm, "rpm", "requests a minute")
        self._tpm = None if tpm is None else positive(tpm, "tpm", "tokens a minute")
        self._lane_here: Lane | None = None
        self._send: Handler = retrying(1 + _at_least(0, retries, "retries"))(self._paced)
        self._clients: Clients[Any] = Clients(self._connected, close)
        super().__init__(cache=cache, name=None if name is None else _a_name(name, "a name"), **defaults)

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The provider, the model, and the endpoint or the name given in its place."""
        endpoint = {} if self.name else {"endpoint": self.endpoint}
        return {**super().fingerprint, **endpoint, "model": self.model}

    def _connect(self, key: Secret) -> Any:
        """A client of the SDK. Runs in a thread, because importing an SDK takes a second or two."""
        raise NotImplementedError

    async def _ask(self, client: Any, request: Request) -> Reply:
        """One call of the API, whose errors are those of errors.py; `self._learn` hears the headers."""
        raise NotImplementedError

    def wrap(self, handler: Handler) -> Handler:
        """The handler with errors that say who was asked."""

        async def signed(request: Request) -> Reply:
            try:
                return await handler(request)
            except BackendError as error:
                self._sign(error)
                raise

        return signed

    def _sign(self, error: Exception) -> None:
        if isinstance(error, BackendError) and error.provider is None:
            error.args = (
                f"{self.provider} model {self.model!r} at {self.endpoint}: {error}",
                *error.args[1:],
            )
            error.provider, error.model = self.provider, self.model

    # Pace

    async def _paced(self, request: Request) -> Reply:
        return await self._lane().call(self._attempt, request)

    def _learn(self, headers: Mapping[str, str]) -> None:
        """Hears what the provider says about its limits."""
        self._lane().pacer.learn(headers)

    def _lane(self) -> Lane:
        """The places of this backend at the pacer that all have who use the same account at the same model."""
        secret = self._secret or Secret(self._key_in_environment())
        account = hashlib.sha256(secret.reveal().encode("utf-8", "surrogatepass")).hexdigest()
        pacer = shared_pacer(self.provider, self.endpoint, account, self.model)
        lane = self._lane_here
        if lane is None or lane.pacer is not pacer:  # the first call, or one in a child process
            lane = self._lane_here = pacer.lane(self._max_concurrency, rpm=self._rpm, tpm=self._tpm)
        return lane

    # One attempt

    async def _attempt(self, request: Request) -> Reply:
        secret = self._key()
        try:
            return await self._in_time(await self._clients.here(), request)
        except Exception as error:
            hide(secret, error)
            self._sign(error)
            raise

    async def _in_time(self, client: Any, request: Request) -> Reply:
        began = time.perf_counter()
        bound = asyncio.timeout(self.timeout_s)
        try:
            async with bound:
                reply = await self._ask(client, request)
        except TimeoutError:
            if not bound.expired():
                raise
            raise BackendTimeoutError(
                f"no whole answer within {self.timeout_s:g} s. "
                "If the model needs longer, give the backend a larger timeout_s."
            ) from None
        return priced(self.model, reply)._replace(
            recorded_at=time.time(),
            duration_s=time.perf_counter() - began,
        )

    async def _connected(self) -> Any:
        try:
            await asyncio.to_thread(load)
            return await asyncio.to_thread(self._connect, self._key())
        except ModuleNotFoundError as error:
            # Of "google.genai", "google" is missing too where nothing of Google's is installed.
            if error.name is None or not f"{self.sdk}.".startswith(f"{error.name}."):
                raise
            raise MissingExtraError(
                f"{type(self).__name__} needs the package {self.sdk!r}, which is not installed: "
                f'pip install "onetwo-like[{self.extra}]"'
            ) from None

    def _key(self) -> Secret:
        """The key that was given, or that of the environment; looked for when a call needs it."""
        if self._secret is None and (value := self._key_in_environment()):
            self._secret = Secret(value)
        secret = self._secret
        if secret is None or not secret.reveal():
            problem = f"there is no key. Set the variable {self.key_variable}, or give api_key=."
            if not self._is_providers_own:
                problem += ' A server that wants none takes any: api_key="none".'
            raise AuthenticationError(problem)
        if not (secret.reveal().isascii() and secret.reveal().isprintable()):
            raise AuthenticationError(
                "the key has characters that a key cannot have, such as line breaks or letters with accents. "
                f"Check {self.key_variable}, or api_key=."
            )
        return secret

    def _key_in_environment(self) -> str:
        """The key that the environment has, "" if it has none."""
        return os.environ.get(self.key_variable, "").strip()

    @property
    def _is_providers_own(self) -> bool:
        """Whether the endpoint is the provider's, not a compatible server's."""
        return False

    def __repr__(self) -> str:
        base_url = "" if self._is_providers_own else f", base_url={self.endpoint!r}"
        name = f", name={self.name!r}" if self.name else ""
        return f"{type(self).__name__}({self.model!r}{base_url}{name})"


def endpoint_of(base_url: str) -> str:
    """A base URL in the one spelling that stands in keys and messages. Raises UsageError if it is none.

    >>> endpoint_of("HTTP://LocalHost:80/v1/")
    'http://localhost/v1'
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except (ValueError, AttributeError, TypeError):
        raise UsageError("base_url is not a URL such as http://127.0.0.1:8000/v1") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UsageError(f"base_url is a URL such as http://127.0.0.1:8000/v1, not {base_url!r:.60}")
    if parts.username is not None or parts.query or parts.fragment:
        # Not shown: what stands there may be a secret.
        raise UsageError(
            "base_url holds a user name, a password, a query or a fragment, which would end up in keys and "
            "messages. Give the address alone, and the key as api_key=."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{parts.path.rstrip('/')}"


async def all_of(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of calls made at once, in order; the first failure is raised when the others have stopped."""
    loop = asyncio.get_running_loop()
    cells = [Cell(loop.create_task(call, name="call")) for call in calls]
    await join(cells)
    return [cell.task.result() for cell in cells]


def as_one(value: Any, replies: Sequence[Reply]) -> Reply:
    """One reply for what took several calls, or none: the tokens of all, and of the rest what they agree on.

    The cost is unknown if that of one call is. `duration_s` is the sum, as for calls made one after the other.
    """
    usages = [reply.usage or Usage() for reply in replies]
    cost = None if any(usage.cost is None for usage in usages) else sum(u.cost or 0.0 for u in usages)
    usage = Usage(*[_sum_of(column) for column in zip(*usages, strict=True)])._replace(cost=cost)
    return Reply(
        value,
        usage=None if usage == Usage() else usage,
        finish_reason=agreed([reply.finish_reason for reply in replies]),
        model_version=agreed([reply.model_version for reply in replies]),
        recorded_at=max((reply.recorded_at or 0.0 for reply in replies), default=None),
        duration_s=_sum_of([reply.duration_s for reply in replies]),
        request_id=replies[-1].request_id if replies else None,
    )


def _sum_of(numbers: Sequence[Any]) -> Any:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def agreed(values: Sequence[T]) -> T | None:
    """The value that all are, None if they differ or there are none."""
    return values[0] if values and all(value == values[0] for value in values) else None


def _a_name(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"the backend takes {what} as a str, not {value!r:.60}")
    return value


def _at_least(least: int, value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name} is a whole number of at least {least}, not {value!r:.60}")
    return value
