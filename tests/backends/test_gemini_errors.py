"""Which error is which, where Google says little, and what the SDK itself gets wrong."""

import http.server
import json
import threading
import traceback
from typing import Any

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import Gemini
from onetwo_like.backends.gemini_errors import refusal
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    ConnectionFailedError,
    ContentRefusedError,
    ContextTooLongError,
    InvalidRequestError,
    MalformedReplyError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)

KEY = "AIza-planted-0123456789"
HELLO = llm.generate_text("Hello")


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def failure_of(respond, e=HELLO, *, watched=False, **options: Any) -> Any:
    """What a request fails with when the SDK's mock transport answers by `respond`."""
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    Gemini("tiny", **{"api_key": KEY, "retries": 0, "http_client": client, **options}).register()
    with pytest.raises(BackendError) as caught:
        ot.run(e, on_event=(lambda event: None) if watched else None)
    return caught.value


def events(*texts: str) -> httpx2.Response:
    stream = "".join([f"data: {text}\r\n\r\n" for text in texts])
    return httpx2.Response(200, text=stream, headers={"content-type": "text/event-stream"})


# The class of a refusal


def told(status: str | None, message: str = "it went wrong", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **({"status": status} if status else {}), **more}}


INVALID_KEY = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (400, told("INVALID_ARGUMENT"), InvalidRequestError),
        (
            400,
            told("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            AuthenticationError,
        ),
        (400, told("INVALID_ARGUMENT", "API key expired. Please renew the API key."), AuthenticationError),
        (400, told("INVALID_ARGUMENT", details=INVALID_KEY), AuthenticationError),
        (
            400,
            told(
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (5).",
            ),
            ContextTooLongError,
        ),
        (
            400,
            told("FAILED_PRECONDITION", "User location is not supported for the API use."),
            PermissionDeniedError,
        ),
        (
            400,
            told("FAILED_PRECONDITION", "Gemini API free tier is not available in your country."),
            PermissionDeniedError,
        ),
        (400, told("FAILED_PRECONDITION", "The file is not active."), InvalidRequestError),
        (401, told("UNAUTHENTICATED"), AuthenticationError),
        (403, told("PERMISSION_DENIED"), PermissionDeniedError),
        (404, told("NOT_FOUND"), ModelNotFoundError),
        (429, told("RESOURCE_EXHAUSTED"), RateLimitedError),
        (499, told("CANCELLED"), OverloadedError),
        (500, told("INTERNAL"), OverloadedError),
        (503, told("UNAVAILABLE"), OverloadedError),
        (504, told("DEADLINE_EXCEEDED"), OverloadedError),
        (
            429,
            [told("RESOURCE_EXHAUSTED")],
            RateLimitedError,
        ),  # as in an array that should have been a stream
        (429, {"message": "slow down"}, RateLimitedError),  # a proxy's
        (502, "<html>", OverloadedError),
        (302, {"message": "moved"}, InvalidRequestError),
        (None, told("RESOURCE_EXHAUSTED"), RateLimitedError),
        (None, told(None, code=403), PermissionDeniedError),
        (None, {}, OverloadedError),
    ],
    ids=str,
)
def test_each_refusal_is_its_class(code, body, expected):
    assert type(refusal(code, body, {})) is expected


@pytest.mark.parametrize(
    ("details", "headers", "expected"),
    [
        (
            [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}],
            {"Retry-After": "9"},
            7.0,
        ),
        ([{"reason": "x"}, {"@type": "...RetryInfo", "retryDelay": "0.847655s"}], {}, 0.847655),
        ([{"@type": "...RetryInfo", "retryDelay": "soon"}], {"Retry-After": "9"}, 9.0),
        ("none", {"Retry-After": "9"}, 9.0),
        ([], {}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_when_to_come_back_is_read_from_the_details_and_from_the_headers(status, details, headers, expected):
    error = refusal(429, told(status, details=details), headers)
    assert isinstance(error, RateLimitedError | OverloadedError)
    assert error.retry_after_s == expected


def test_the_message_says_what_to_do():
    assert "GEMINI_API_KEY" in str(refusal(401, told("UNAUTHENTICATED", "Who are you?"), {}))
    assert str(refusal(404, told("NOT_FOUND", "no model"), {})).startswith(
        "404: no model. Check the model's name"
    )


# Through the SDK


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_a_request_that_the_server_named_is_named_in_the_error(watched):
    def respond(request):
        return httpx2.Response(503, json=told("UNAVAILABLE"), headers={"x-request-id": "proxy-7"})

    assert failure_of(respond, watched=watched).request_id == "proxy-7"


def test_a_stream_that_broke_off_is_known_by_the_id_that_it_had():
    piece = {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}], "responseId": "r-1"}
    error = failure_of(lambda request: events(json.dumps(piece)), watched=True)
    assert (type(error), error.request_id) == (ConnectionFailedError, "r-1")


def test_a_refused_answer_is_known_by_its_id():
    reply = {"candidates": [{"finishReason": "SAFETY"}], "responseId": "r-1"}
    error = failure_of(lambda request: httpx2.Response(200, json=reply))
    assert (type(error), error.request_id) == (ContentRefusedError, "r-1")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (['{"candidates": [{'], MalformedReplyError),
        (['{"candidates": [{"content": {"parts": [{"text": 1}]}}]}'], MalformedReplyError),
        (["7"], MalformedReplyError),
        (['{"error": {"message": "no code"}}'], MalformedReplyError),  # of which the SDK itself fails
        (['{"error": {"message": "slow", "code": 429}}'], RateLimitedError),
        (['{"error": {"message": "slow", "code": 499, "status": "CANCELLED"}}'], OverloadedError),
        (["[1, 2]"], ConnectionFailedError),  # of which the SDK makes an empty piece
        (['{"candidates": "none"}'], ConnectionFailedError),
        ([], ConnectionFailedError),
    ],
    ids=str,
)
def test_whatever_a_stream_says_is_an_error_of_ours(texts, expected):
    assert type(failure_of(lambda request: events(*texts), watched=True)) is expected


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_json_that_calls_itself_something_else_is_not_trusted(watched):
    answer = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
    headers = {"content-type": "text/html"}
    error = failure_of(
        lambda request: httpx2.Response(200, text=json.dumps(answer), headers=headers), watched=watched
    )
    assert type(error) is MalformedReplyError
    assert "text/html" in str(error)


@pytest.mark.parametrize("e", [llm.embed(["a"]), llm.count_tokens("a")], ids=["embed", "count_tokens"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx2.Response(200, text="{"), MalformedReplyError),
        (httpx2.Response(200, json=[1]), MalformedReplyError),
        (httpx2.Response(200, json={}), MalformedReplyError),
        (httpx2.Response(200, text="<html>", headers={"content-type": "text/html"}), MalformedReplyError),
        (httpx2.Response(429, json=told("RESOURCE_EXHAUSTED")), RateLimitedError),
    ],
    ids=["half", "a list", "empty", "a page", "429"],
)
def test_every_operation_fails_in_the_same_words(e, answer, expected):
    error = failure_of(
        lambda request: httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content), e
    )
    assert type(error) is expected
    assert str(error).startswith("gemini model 'tiny' at https://generativelanguage.googleapis.com: ")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx2.ConnectError("no route"), ConnectionFailedError),
        (httpx2.ReadError("reset"), ConnectionFailedError),
        (httpx2.RemoteProtocolError("peer closed"), ConnectionFailedError),
        (httpx2.ReadTimeout("slow"), BackendTimeoutError),
    ],
    ids=repr,
)
@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_a_broken_connection_is_one_whatever_broke_it(raised, expected, watched):
    def respond(request):
        raise raised

    error = failure_of(respond, watched=watched)
    assert type(error) is expected
    assert error.__cause__ is raised


def test_a_name_that_no_model_has_is_refused_before_any_call():
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: httpx2.Response(500)))
    Gemini("tiny?x=1", api_key=KEY, http_client=client).register()
    with pytest.raises(InvalidRequestError, match="invalid model"):
        ot.run(HELLO)


def test_the_key_is_wiped_from_the_request_that_was_refused():
    error = failure_of(lambda request: httpx2.Response(400, json=told("INVALID_ARGUMENT")))
    assert error.__cause__.response.request.headers["x-goog-api-key"] == "***"


def test_an_answer_that_is_to_be_continued_is_not_asked_for_again_behind_the_users_back():
    candidate = {
        "content": {"parts": [{"text": "Half"}]},
        "finishReason": "CONTINUATION",
        "continuationToken": "AAAA",
    }
    asked = []

    def respond(request):
        asked.append(request)
        return events(json.dumps({"candidates": [candidate]}))

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    Gemini("tiny", api_key=KEY, http_client=client).register()
    detailed: Any = llm.generate_text("Hello", include_details=True)
    text, reply = ot.run(detailed, on_event=lambda event: None)
    assert (text, reply.finish_reason, len(asked)) == ("Half", "length", 1)


# The credentials of the machine, for Vertex AI


class Tokens(http.server.BaseHTTPRequestHandler):
    """Where a service account gets its tokens."""

    status = 200
    reply: dict[str, Any] = {}  # noqa: RUF012  (each test sets its own)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        data = json.dumps(self.reply).encode()
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


@pytest.fixture
def service_account(tmp_path, monkeypatch):
    """The machine's credentials: those of a service account, whose tokens come from loopback."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        account = {
            "type": "service_account",
            "client_email": "tests@example.org",
            "private_key": private.decode(),
            "token_uri": f"http://127.0.0.1:{server.server_port}/token",
        }
        (tmp_path / "account.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        yield
        server.shutdown()
        serving.join()


VERTEX = {"api_key": None, "vertexai": True, "project": "p", "location": "us-central1"}


@pytest.mark.usefixtures("service_account")
@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_vertex_ai_is_asked_with_the_machines_credentials_which_show_nowhere(monkeypatch, watched):
    monkeypatch.setattr(Tokens, "status", 200)
    monkeypatch.setattr(Tokens, "reply", {"access_token": "ya29-planted-token", "expires_in": 3600})
    sent = []

    def respond(request):
        sent.append((str(request.url).partition("?")[0], request.headers["authorization"]))
        return httpx2.Response(500, json=told("INTERNAL"))

    error = failure_of(respond, watched=watched, **VERTEX)
    assert type(error) is OverloadedError
    method = "streamGenerateContent" if watched else "generateContent"
    base = "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-central1"
    assert sent == [(f"{base}/publishers/google/models/tiny:{method}", "Bearer ya29-planted-token")]
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert "ya29-planted-token" not in "".join(report.format())


@pytest.mark.usefixtures("service_account")
def test_credentials_that_google_does_not_accept_are_an_authentication_error(monkeypatch):
    monkeypatch.setattr(Tokens, "status", 400)
    monkeypatch.setattr(Tokens, "reply", {"error": "invalid_grant", "error_description": "Account disabled."})
    error = failure_of(lambda request: httpx2.Response(500), **VERTEX)
    assert type(error) is AuthenticationError
    assert "Account disabled" in str(error)
    assert "gcloud auth application-default login" in str(error)


def test_credentials_that_are_not_there_are_an_authentication_error(tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    error = failure_of(lambda request: httpx2.Response(500), **VERTEX)
    assert type(error) is AuthenticationError
    assert "none.json" in str(error)


def test_credentials_that_cannot_be_renewed_for_now_are_a_broken_connection():
    from google.auth.exceptions import TransportError

    def respond(request):
        raise TransportError("no route to the token endpoint")

    assert type(failure_of(respond)) is ConnectionFailedError
