"""Who answers as Gemini: under what name, at what address, with whose key, and over which connections?"""

import asyncio
import subprocess
import sys

import pytest

from onetwo_like import ot
from onetwo_like.backends import Gemini
from onetwo_like.builtins import llm
from onetwo_like.errors import AuthenticationError, InvalidRequestError, UsageError
from tests.servers.gemini_loopback import GeminiServer
from tests.servers.gemini_mock import Google
from tests.servers.http_server import status


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


# Who answers


def test_the_fingerprint_says_who_answers_and_a_name_replaces_the_address():
    assert Gemini("tiny", api_key="k" * 20).fingerprint == {
        "provider": "gemini",
        "endpoint": "https://generativelanguage.googleapis.com",
        "model": "tiny",
    }
    here = Gemini("tiny", base_url="HTTP://LocalHost:80/google/", api_key="none")
    assert here.fingerprint["endpoint"] == "http://localhost/google"
    named = Gemini("tiny", base_url="http://127.0.0.1:8001", name="lab")
    assert named.fingerprint == {"provider": "gemini", "name": "lab", "model": "tiny"}


def test_a_base_url_ends_before_the_version(monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:8001/google")
    google = Google()
    google.backend()
    ot.run(llm.generate_text("Hello"))
    assert str(google.requests[0].url) == "http://127.0.0.1:8001/google/v1beta/models/tiny:generateContent"


@pytest.mark.parametrize(
    ("location", "endpoint"),
    [
        (None, "https://aiplatform.googleapis.com/projects/p/locations/global"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com/projects/p/locations/eu"),
        ("us-central1", "https://us-central1-aiplatform.googleapis.com/projects/p/locations/us-central1"),
    ],
)
def test_on_vertex_ai_the_project_and_the_location_are_part_of_the_address(location, endpoint):
    backend = Gemini("tiny", vertexai=True, project="p", location=location)
    assert backend.fingerprint == {"provider": "gemini", "endpoint": endpoint, "model": "tiny"}
    assert repr(backend) == f"Gemini('tiny', vertexai=True, project='p', location={location or 'global'!r})"
    assert Gemini("tiny", vertexai=True, project="p", name="lab").fingerprint == {
        "provider": "gemini",
        "name": "lab",
        "model": "tiny",
    }


def test_the_project_may_come_from_the_environment_and_must_come_from_somewhere(monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-the-shell")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "eu")
    assert Gemini("tiny", vertexai=True).fingerprint["endpoint"].endswith("/from-the-shell/locations/eu")
    assert Gemini("tiny").fingerprint["endpoint"] == "https://generativelanguage.googleapis.com"
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with pytest.raises(UsageError, match="GOOGLE_CLOUD_PROJECT"):
        Gemini("tiny", vertexai=True)
    for wrong in ({"project": "p"}, {"location": "eu"}, {"vertexai": True, "api_key": "k", "location": "eu"}):
        with pytest.raises(UsageError):
            Gemini("tiny", **wrong)


@pytest.mark.parametrize(
    ("project", "path"),
    [(None, "/v1beta1/publishers/google"), ("p", "/v1beta1/projects/p/locations/global/publishers/google")],
)
def test_vertex_ai_is_also_asked_with_a_key(project, path):
    google = Google()
    google.backend(vertexai=True, project=project)
    assert ot.run(llm.generate_text("Hello")) == "fine"
    [sent] = google.requests
    assert str(sent.url) == f"https://aiplatform.googleapis.com{path}/models/tiny:generateContent"
    assert sent.headers["x-goog-api-key"] == "none"


def test_vertex_ai_embeds_in_its_own_form():
    predictions = [{"embeddings": {"values": [1.0, 2.0]}}, {"embeddings": {"values": [3.0, 4.0]}}]
    google = Google({"predictions": predictions})
    google.backend("text-embedding-005", vertexai=True)
    assert ot.run(llm.embed(["one", "two"], extra={"autoTruncate": False})) == [[1.0, 2.0], [3.0, 4.0]]
    assert google.bodies() == [
        {"instances": [{"content": "one"}, {"content": "two"}], "parameters": {"autoTruncate": False}}
    ]


# Keys


@pytest.mark.parametrize("first", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_the_key_is_found_when_it_is_needed(monkeypatch, first):
    google = Google()
    google.backend(api_key=None)
    with pytest.raises(AuthenticationError, match="GEMINI_API_KEY"):
        ot.run(llm.generate_text("Hello"))
    assert google.requests == []
    monkeypatch.setenv("GOOGLE_API_KEY", "googles")
    monkeypatch.setenv(first, " the-one\n")
    assert ot.run(llm.generate_text("Hello")) == "fine"
    assert google.requests[0].headers["x-goog-api-key"] == "the-one"


def test_a_key_in_the_environment_is_not_for_vertex_ai(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "the-key-of-gemini")
    backend = Gemini("tiny", vertexai=True, project="p")
    assert backend._key().reveal() == ""


@pytest.mark.parametrize("missing", ["google", "google.genai"])
def test_without_the_sdk_the_error_names_the_command_that_installs_it(missing):
    program = f"""
import sys
class Missing:
    def find_spec(name, path=None, target=None):
        if name == {missing!r}:  # as if it were not installed
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Missing)
sys.modules.pop("google", None)
from onetwo_like import ot
from onetwo_like.backends import Gemini
from onetwo_like.builtins import llm
from onetwo_like.errors import MissingExtraError
Gemini("tiny", api_key="none").register()
try:
    ot.run(llm.generate_text("Hello"))
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "onetwo-like[gemini]"' in done.stdout


# Clients


def test_an_http_client_of_the_users_stays_open():
    google = Google()

    async def main():
        google.backend()
        await llm.generate_text("Hello")

    asyncio.run(main())
    assert not google.client.is_closed


def test_one_backend_answers_on_one_loop_after_another_and_leaves_no_connections():
    async def main():
        return await llm.generate_text("Hello")

    with GeminiServer() as server:
        backend = Gemini("tiny", base_url=server.base_url, api_key="none").register()
        assert [asyncio.run(main()) for _ in range(3)] == ["You said: Hello"] * 3
        assert server.connections == 3
        assert len(backend._clients._connections.loops()) == 1
        assert ot.run(llm.generate_text("Hello")) == "You said: Hello"


def test_no_more_calls_are_under_way_than_allowed():
    with GeminiServer(delay_s=0.005) as server:
        Gemini("tiny", base_url=server.base_url, api_key="none", max_concurrency=3).register()
        ot.run(ot.parallel(*[llm.generate_text(f"Hello {i}") for i in range(12)]))
    assert server.most_at_once == 3
    assert server.connections <= 3  # and they were kept alive


def test_a_process_that_has_used_it_ends_without_warnings():
    program = """
import asyncio
from onetwo_like import ot
from onetwo_like.backends import Gemini
from onetwo_like.builtins import llm
Gemini("tiny", base_url=BASE_URL, api_key="none").register()
print(ot.run(llm.generate_text("Hello")))
with ot.stream(llm.generate_text("Hello")) as events:
    print(events.result)
async def main():
    return await llm.generate_text("again")
print(asyncio.run(main()))
"""
    with GeminiServer() as server:
        program = program.replace("BASE_URL", repr(server.base_url))
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("You said: Hello\nYou said: Hello\nYou said: again\n", "")


def test_a_redirect_is_not_followed_with_the_key():
    with GeminiServer() as server:
        Gemini("tiny", base_url=server.base_url, api_key="none", retries=0).register()
        server.fail(status(302, "moved", headers={"location": f"{server.base_url}/elsewhere"}))
        with pytest.raises(InvalidRequestError, match="moved"):
            ot.run(llm.generate_text("Hello"))
        assert len(server.requests) == 1
