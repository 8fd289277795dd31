"""Whoever is asked: what is checked when a backend is made, which key is sent, and what becomes of the connections?"""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import GeminiLegacy
from onetwo_like.builtins import llm
from onetwo_like.errors import AuthenticationError, MissingExtraError, UsageError
from tests.backends.providers import each_provider

ROOT = Path(__file__).parents[2]
pytestmark = each_provider


@pytest.fixture
def server(provider):
    with provider.server() as running:
        yield running


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def run_python(program, *flags):
    """What a process printed."""
    command = [sys.executable, *flags, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == ""
    return done.stdout


# Settings


def test_an_address_is_written_in_one_way_and_a_name_stands_for_it(provider):
    here = provider.backend("tiny", base_url="HTTP://LocalHost:80/v1/", api_key="none")
    about = {"provider": here.provider, "model": "tiny"}
    assert here.fingerprint == {**about, "endpoint": "http://localhost/v1"}
    for port in (8001, 8002):
        named = provider.backend("tiny", base_url=f"http://127.0.0.1:{port}/v1", name="lab")
        assert named.fingerprint == {**about, "name": "lab"}


@pytest.mark.parametrize("base_url", ["localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", 7])
def test_an_address_that_is_none_is_an_error(provider, base_url):
    with pytest.raises(UsageError, match="base_url"):
        provider.backend("tiny", base_url=base_url)


@pytest.mark.parametrize("base_url", ["http://me:hunter22@host/v1", "http://host/v1?key=hunter22"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(provider, base_url):
    with pytest.raises(UsageError) as caught:
        provider.backend("tiny", base_url=base_url)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"retries": -1},
        {"retries": True},
        {"max_concurrency": 0},
        {"timeout_s": 0},
        {"rpm": 0},
        {"tpm": -1},
        {"api_key": 7},
        {"cache": "runs/cities"},
        {"name": ""},
        {"an_option_that_nobody_has": 1},
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_an_error_when_the_backend_is_made(provider, wrong):
    with pytest.raises(UsageError, match="name" if "" in wrong.values() else next(iter(wrong))):
        provider.backend(**{"model": "tiny", **wrong})


def test_a_bound_on_requests_is_no_time(provider):
    with pytest.raises(UsageError, match="rpm takes requests a minute above 0, not 0"):
        provider.backend("tiny", rpm=0)


# The key


def test_without_a_key_registering_works_and_the_first_call_says_what_to_set(provider, server):
    backend = provider.backend("tiny", base_url=server.base_url).register()
    with pytest.raises(AuthenticationError, match=rf"{backend.key_variable}.*api_key=\"none\"") as caught:
        ot.run(llm.generate_text("Hello"))
    assert caught.value.attempts == 1
    assert backend.fingerprint
    assert server.requests == []


def test_a_key_that_is_set_after_the_first_call_is_found(provider, server, monkeypatch):
    backend = provider.backend("tiny", base_url=server.base_url).register()
    with pytest.raises(AuthenticationError):
        ot.run(llm.generate_text("Hello"))
    monkeypatch.setenv(backend.key_variable, " from-the-shell\n")
    assert ot.run(llm.generate_text("Hello")) == "You said: Hello"
    assert server.key_in(server.requests[0].headers) == "from-the-shell"


def test_a_server_that_wants_another_key_says_so(provider):
    with provider.server(key="the-right-one") as server:
        provider.made(server, api_key="the-wrong-one").register()
        with pytest.raises(AuthenticationError, match="Check the key"):
            ot.run(llm.generate_text("Hello"))
        provider.made(server, api_key="the-right-one").register()
        assert ot.run(llm.generate_text("Hello")) == "You said: Hello"


def test_without_the_sdk_the_error_names_the_command_that_installs_it(provider):
    backend = provider.backend("tiny")
    said = run_python(f"""
import sys
sys.modules[{backend.sdk!r}] = sys.modules["httpx2"] = None  # as if they were not installed
from onetwo_like import ot
from onetwo_like.backends import {provider.backend.__name__}
from onetwo_like.builtins import llm
from onetwo_like.errors import MissingExtraError
{provider.backend.__name__}("tiny", api_key="none").register()
try:
    ot.run(llm.generate_text("Hello"))
except MissingExtraError as error:
    print(error)
""")
    assert f'pip install "onetwo-like[{backend.extra}]"' in said
    assert issubclass(MissingExtraError, ImportError)


# Connections and loops


def test_no_more_calls_are_under_way_than_allowed(provider):
    with provider.server(delay_s=0.005) as server:
        provider.made(server, max_concurrency=3).register()
        ot.run(ot.parallel(*[llm.generate_text(f"Hello {i}") for i in range(12)]))
    assert server.most_at_once == 3
    assert server.connections <= 3  # and they were kept alive


def test_one_backend_answers_on_one_loop_after_another(provider, server):
    provider.made(server).register()

    async def main():
        return await llm.generate_text("Hello")

    answers = [asyncio.run(main()), ot.run(llm.generate_text("Hello")), asyncio.run(main())]
    assert answers == ["You said: Hello"] * 3
    assert server.connections == 3


def test_a_loop_takes_its_connections_with_it(provider, server):
    backend = provider.made(server).register()

    async def main():
        await llm.generate_text("Hello")

    for _ in range(3):
        asyncio.run(main())
    assert len(backend._clients._connections.loops()) == 1


def test_a_backend_that_nobody_uses_closes_its_connections(provider, server):
    async def main():
        with ot.RegistryContext():
            # A time-out that has been called off keeps its context, and so the registry, until it would have rung.
            provider.made(server, timeout_s=None).register()
            await llm.generate_text("Hello")
        assert server.open_connections == 1
        for _ in range(100):  # the thread that connected may still be about to let go of it
            gc.collect()
            if await asyncio.to_thread(server.unused.wait, 0.1):
                return
        pytest.fail("its connections are still open")

    asyncio.run(main())


def test_a_process_that_has_used_it_ends_without_warnings(provider, server):
    said = run_python(
        f"""
import asyncio
from onetwo_like import ot
from onetwo_like.backends import {provider.backend.__name__}
from onetwo_like.builtins import llm
{provider.backend.__name__}("tiny", base_url={server.base_url!r}, api_key="none").register()
print(ot.run(llm.generate_text("Hello")))
async def main():
    return await llm.generate_text("again")
print(asyncio.run(main()))
""",
        *("-W", "error", "-W", "default::ResourceWarning"),
    )
    assert said == "You said: Hello\nYou said: again\n"


def test_a_process_closes_its_connections_before_it_ends(provider):
    server = f"from {provider.server.__module__} import {provider.server.__name__} as Server"
    said = run_python(f"""
import atexit
{server}
server = Server().__enter__()
atexit.register(lambda: print(server.unused.wait(10)))  # registered first, so it runs last
from onetwo_like import ot
from onetwo_like.backends import {provider.backend.__name__}
from onetwo_like.builtins import llm
{provider.backend.__name__}("tiny", base_url=server.base_url, api_key="none").register()
print(ot.run(llm.generate_text("Hello")))
""")
    assert said == "You said: Hello\nTrue\n"


def test_an_http_client_of_the_users_stays_open(provider, server):
    if provider.backend is GeminiLegacy:
        pytest.skip("its SDK asks by requests, and takes no client")

    async def main():
        async with httpx2.AsyncClient() as client:
            with ot.RegistryContext():
                provider.made(server, http_client=client).register()
                await llm.generate_text("Hello")
            gc.collect()
            assert not client.is_closed

    asyncio.run(main())
    assert server.connections == 1
