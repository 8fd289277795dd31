"""Who answers as Gemini: under what name, at what address, with whose key, and over which connections?"""

import subprocess
import sys

import pytest

from onetwo_like import ot
from onetwo_like.backends import Gemini
from onetwo_like.builtins import llm
from onetwo_like.errors import AuthenticationError, InvalidRequestError, UsageError
from tests.backends.gemini_mock import Google
from tests.servers.gemini_loopback import GeminiServer
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
    assert google.bodies == [
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


def test_a_redirect_is_not_followed_with_the_key():
    with GeminiServer() as server:
        Gemini("tiny", base_url=server.base_url, api_key="none", retries=0).register()
        server.fail(status(302, "moved", headers={"location": f"{server.base_url}/elsewhere"}))
        with pytest.raises(InvalidRequestError, match=f"redirects to {server.base_url}/elsewhere"):
            ot.run(llm.generate_text("Hello"))
        assert len(server.requests) == 1
