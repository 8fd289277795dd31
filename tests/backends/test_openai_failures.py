"""What goes wrong between the backend and a server, each as its class, and the key in none of it."""

import logging
import pickle
import socket
import traceback

import httpx2
import pytest

from onetwo_like import ot
from onetwo_like.backends import OpenAI
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
    NetworkRefusedError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)
from onetwo_like.testing import FakeClock
from tests.servers.loopback import Fault, LoopbackServer, status

KEY = "sk-planted-0123456789"


@pytest.fixture
def server():
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def scope():
    with ot.RegistryContext():
        yield


def backend_of(server, **options):
    return OpenAI("tiny", **{"base_url": server.base_url, "api_key": KEY, "retries": 0, **options}).register()


def failure_of(e, *, watched=False):
    with pytest.raises(BackendError) as caught:
        ot.run(e, on_event=(lambda event: None) if watched else None)
    return caught.value


# Each failure is its class


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (status(400), InvalidRequestError),
        (status(400, "too long", code="context_length_exceeded"), ContextTooLongError),
        (status(400, "This model's maximum context length is 5 tokens."), ContextTooLongError),
        (status(400, "filtered", code="content_filter"), ContentRefusedError),
        (status(401), AuthenticationError),
        (status(403), PermissionDeniedError),
        (status(404), ModelNotFoundError),
        (status(404, "no such model", code="model_not_found"), ModelNotFoundError),
        (status(408), BackendTimeoutError),
        (status(409), InvalidRequestError),
        (status(413), InvalidRequestError),
        (status(422), InvalidRequestError),
        (status(429), RateLimitedError),
        (status(429, "pay first", code="insufficient_quota"), PermissionDeniedError),
        (status(500), OverloadedError),
        (status(502), OverloadedError),
        (status(503), OverloadedError),
        (status(529), OverloadedError),
        ("broken_json", MalformedReplyError),
        ("wrong_content_type", MalformedReplyError),
        ("empty_choices", MalformedReplyError),
        ("no_content", MalformedReplyError),
        ("refusal", ContentRefusedError),
        ("content_filter", ContentRefusedError),
        ("reset", ConnectionFailedError),
    ],
    ids=repr,
)
def test_each_failure_is_its_class(server, scope, fault, expected, watched):
    backend_of(server)
    server.fail(fault)
    if watched and fault == "empty_choices":
        expected = ConnectionFailedError  # of a stream without choices nobody can say that it has ended
    error = failure_of(llm.generate_text("Hello"), watched=watched)
    assert type(error) is expected
    assert (error.provider, error.model, error.attempts) == ("openai", "tiny", 1)
    assert error.request_id == (None if fault == "reset" else "req-1")
    assert str(error).startswith(f"openai model 'tiny' at {server.base_url}: ")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("truncated_stream", ConnectionFailedError),
        ("no_finish", ConnectionFailedError),
        ("stream_error", OverloadedError),
        (Fault("stream_error", error={"message": "slow down", "code": 429}), RateLimitedError),
        (Fault("stream_error", error={"message": "no", "code": "content_filter"}), ContentRefusedError),
        ("broken_json", MalformedReplyError),
    ],
    ids=repr,
)
def test_a_stream_that_ends_early_is_an_error_and_no_short_answer(server, scope, fault, expected):
    backend_of(server)
    server.fail(fault)
    e = llm.generate_text("one two three four")
    with ot.stream(e, only=ot.TextDelta) as events:
        pieces = [event.text for event in events]
        with pytest.raises(expected) as caught:
            events.result  # noqa: B018  (raises)
    assert pieces[:2] == ["You", " said"]
    assert type(caught.value) is expected
    assert caught.value.request_id == "req-1"


@pytest.mark.parametrize(
    ("operation", "fault", "expected"),
    [
        (llm.embed(["a"]), status(429), RateLimitedError),
        (llm.embed(["a"]), "empty_choices", MalformedReplyError),
        (llm.score_text("a", [" b"]), status(500), OverloadedError),
        (llm.score_text("a", [" b"]), "empty_choices", MalformedReplyError),
        (llm.generate_object("a", int), "refusal", ContentRefusedError),
        (llm.generate_texts("a", 2), "broken_json", MalformedReplyError),
    ],
    ids=repr,
)
def test_every_operation_fails_in_the_same_words(server, scope, operation, fault, expected):
    backend_of(server)
    server.fail(fault)
    assert type(failure_of(operation)) is expected


@pytest.mark.parametrize(
    ("kind", "watched"),
    [("hang", False), ("hang", True), ("slow_drip", False)],
    ids=["hang", "no stream", "drip"],
)
def test_an_answer_that_takes_too_long_is_a_timeout(server, scope, kind, watched):
    backend_of(server, timeout_s=0.1)
    server.fail(kind)
    error = failure_of(llm.generate_text("Hello"), watched=watched)
    assert type(error) is BackendTimeoutError
    assert "within 0.1 s" in str(error)


def test_a_server_that_is_not_there_is_a_connection_error(scope):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    OpenAI("tiny", base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, retries=0).register()
    error = failure_of(llm.generate_text("Hello"))
    assert type(error) is ConnectionFailedError
    assert f"127.0.0.1:{port}" in str(error)
    assert "Check base_url" in str(error)


def test_the_network_guard_is_heard_through_the_sdk(scope, no_network):
    OpenAI("tiny", base_url="http://203.0.113.7/v1", api_key=KEY).register()
    with pytest.raises(NetworkRefusedError):
        ot.run(llm.generate_text("Hello"))
    assert len(no_network) == 1  # and nobody tried again
    no_network.clear()


def test_the_sdks_error_is_the_cause(server, scope):
    import openai

    backend_of(server)
    server.fail(status(400, "bad stop"))
    error = failure_of(llm.generate_text("Hello"))
    assert type(error.__cause__) is openai.BadRequestError
    assert "bad stop" in str(error)


def test_a_page_of_html_is_shown_by_its_beginning(scope):
    page = httpx2.Response(502, text="<html>\n\n" + "x" * 10_000, headers={"content-type": "text/html"})
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: page))
    OpenAI("tiny", api_key=KEY, retries=0, http_client=client).register()
    error = failure_of(llm.generate_text("Hello"))
    assert type(error) is OverloadedError
    assert len(str(error)) < 500
    assert "\n" not in str(error)


def test_json_that_calls_itself_something_else_is_not_trusted(scope):
    login = httpx2.Response(200, json={"choices": []}, headers={"content-type": "text/html"})
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: login))
    OpenAI("tiny", api_key=KEY, retries=0, http_client=client).register()
    error = failure_of(llm.generate_text("Hello"))
    assert type(error) is MalformedReplyError
    assert "text/html" in str(error)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Wed, 01 Jan 2020 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
    ids=repr,
)
@pytest.mark.parametrize("code", [429, 503])
def test_when_to_come_back_is_read_from_the_headers(server, scope, headers, expected, code):
    backend_of(server)
    server.fail(status(code, headers=headers))
    assert failure_of(llm.generate_text("Hello")).retry_after_s == expected


# Attempts


def test_what_may_pass_is_tried_again_after_as_long_as_the_provider_asks(server, scope):
    backend_of(server, retries=3, timeout_s=None)
    server.fail(status(429, headers={"retry-after": "7"}), status(503), "reset")
    clock = FakeClock()
    assert clock.run(llm.generate_text("Hello")) == "You said: Hello"
    assert len(server.requests) == 4
    assert 7.0 <= clock.time() <= 7.0 + 1.0 + 2.0


def test_what_would_fail_again_is_asked_once(server, scope):
    backend_of(server, retries=3)
    server.always = status(401)
    failure_of(llm.generate_text("Hello"))
    assert len(server.requests) == 1


def test_the_error_that_remains_has_the_number_of_attempts(server, scope):
    backend_of(server, retries=2, timeout_s=None)
    server.always = status(500)
    with pytest.raises(OverloadedError) as caught:
        FakeClock().run(llm.generate_text("Hello"))
    assert caught.value.attempts == len(server.requests) == 3


@pytest.mark.parametrize(
    ("then", "pieces"),
    [((), ["You", " said", ":", " Hello"]), (("ignores_stream",), ["You said: Hello"])],
    ids=["in pieces", "in one piece"],
)
def test_a_stream_that_broke_off_is_streamed_again_from_its_beginning(server, scope, then, pieces):
    backend_of(server, retries=1, timeout_s=None)
    server.fail("truncated_stream", *then)

    async def main():
        async with ot.stream(llm.generate_text("Hello"), only=(ot.TextDelta, ot.Retrying)) as events:
            seen = [event async for event in events]
        return seen, events.result

    seen, text = FakeClock().run(main())
    shown = [event.text if isinstance(event, ot.TextDelta) else "again" for event in seen]
    assert shown == ["You", " said", "again", *pieces]
    assert text == "You said: Hello"


def test_only_the_call_that_failed_is_made_again(server, scope):
    backend_of(server, retries=1, timeout_s=None)
    server.fail("ignores_format", status(500))
    assert FakeClock().run(llm.generate_object("How many?", int)) == 7
    assert [len(body["messages"]) for body in server.bodies()] == [1, 3, 3]


# The key


def texts_about(error):
    """Everything that a report about an error could show."""
    yield "".join(traceback.format_exception(error))
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield from (str(each), repr(each), repr(vars(each)))
        for value in vars(each).values():
            yield str(getattr(value, "headers", ""))
            yield repr(list(getattr(getattr(value, "headers", None), "raw", [])))
        waiting += [each.__cause__, each.__context__]


ECHOES = [
    status(401, f"Incorrect API key provided: {KEY}."),
    status(429, f"{KEY} is too fast", code=KEY, param=KEY),
    status(500, KEY),
    "broken_json",
    "wrong_content_type",
    "reset",
    "refusal",
]


@pytest.mark.parametrize(
    ("fault", "watched"),
    [*((fault, False) for fault in ECHOES), *((fault, True) for fault in [*ECHOES, "stream_error"])],
    ids=repr,
)
def test_the_key_shows_in_nothing_that_goes_wrong(server, scope, caplog, fault, watched):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda prompt: f"{KEY} {KEY}"  # as a server does that echoes what it was sent
    backend_of(server)
    server.fail(fault)
    seen: list[object] = []
    with pytest.raises(BackendError) as caught:
        ot.run(llm.generate_text("Hello"), enable_tracing=True, on_event=seen.append if watched else None)
    events = [event for event in seen if not isinstance(event, ot.TextDelta)]  # a model may say what it likes
    shown = [*texts_about(caught.value), repr(events), caplog.text]
    shown += [str(span) for span in vars(caught.value)["trace"].walk()]
    assert [text for text in shown if KEY in text] == []


@pytest.mark.parametrize("fault", [status(500), "reset", "broken_json"], ids=repr)
def test_a_traceback_with_local_variables_does_not_show_the_key_that_was_sent(server, scope, fault):
    backend_of(server)
    server.fail(fault)
    error = failure_of(llm.generate_text("Hello"))
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert KEY not in "".join(report.format())


def test_the_key_shows_in_nothing_that_describes_the_backend(server, scope):
    backend = backend_of(server)
    ot.run(llm.generate_text("Hello"))
    shown = [
        repr(backend),
        str(backend),
        repr(vars(backend)),
        repr(backend.fingerprint),
        repr(ot.copy_registry()),
    ]
    assert [text for text in shown if KEY in text] == []
    with pytest.raises(TypeError):
        pickle.dumps(backend._secret)


@pytest.mark.parametrize("key", [f"{KEY}\nsecond-line", f"{KEY}\r\nX-Header: 1", f"{KEY}é"])
def test_a_key_that_is_none_is_not_sent_and_not_shown(server, scope, key):
    backend_of(server, api_key=key)
    error = failure_of(llm.generate_text("Hello"))
    assert type(error) is AuthenticationError
    assert server.requests == []
    assert [text for text in texts_about(error) if KEY in text] == []


def test_a_placeholder_for_a_key_is_not_cut_out_of_messages(server, scope):
    backend_of(server, api_key="none")
    server.fail(status(400, "none of these"))
    assert "none of these" in str(failure_of(llm.generate_text("Hello")))
