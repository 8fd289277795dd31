"""Whoever is asked: is what goes wrong its class, is the key in none of it, and can the run go on?

The rows of the matrix that a provider has alone stand in tests/backends/providers.py.
"""

import logging
import pickle
import socket
import traceback

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    ConnectionFailedError,
    ContentRefusedError,
    InvalidRequestError,
    MalformedReplyError,
    ModelNotFoundError,
    NetworkRefusedError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
)
from onetwo_like.testing import FakeClock
from tests.backends.providers import KEY, PROVIDERS, each_provider
from tests.servers.http_server import Fault, status


@pytest.fixture
def server(provider):
    with provider.server() as running:
        yield running


@pytest.fixture(autouse=True)
def _scope():
    with ot.RegistryContext():
        yield


def failure_of(e, *, watched=False):
    with pytest.raises(BackendError) as caught:
        ot.run(e, on_event=(lambda event: None) if watched else None)
    return caught.value


def rows(common, own):
    """A case for each failure and each provider: those that all have, and those of its own."""
    cases = [(name, case) for name in PROVIDERS for case in (*common, *own(PROVIDERS[name]))]
    return [pytest.param(PROVIDERS[name], *case, id=f"{name}-{case[0]!r}") for name, case in cases]


# Each failure is its class

FAILURES = [
    (status(400), InvalidRequestError),
    (status(401), AuthenticationError),
    (status(403), PermissionDeniedError),
    (status(404), ModelNotFoundError),
    (status(408), BackendTimeoutError),
    (status(409), InvalidRequestError),
    (status(422), InvalidRequestError),
    (status(429), RateLimitedError),
    (status(500), OverloadedError),
    (status(502), OverloadedError),
    (status(503), OverloadedError),
    (status(504), OverloadedError),
    (status(529), OverloadedError),
    (Fault("wrong_content_type", status=502), OverloadedError),
    ("broken_json", MalformedReplyError),
    ("wrong_content_type", MalformedReplyError),
    ("empty", MalformedReplyError),
    ("no_content", MalformedReplyError),
    ("refusal", ContentRefusedError),
    ("content_filter", ContentRefusedError),
    ("reset", ConnectionFailedError),
]


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("provider", "fault", "expected"), rows(FAILURES, lambda p: p.failures))
def test_each_failure_is_its_class(provider, server, fault, expected, watched):
    backend = provider.made(server).register()
    server.fail(fault)
    if watched and fault == "empty":
        expected = ConnectionFailedError  # of a stream without an answer nobody can say that it has ended
    error = failure_of(llm.generate_text("Hello"), watched=watched)
    assert type(error) is expected
    assert (error.provider, error.model, error.attempts) == (backend.provider, "tiny", 1)
    assert error.request_id == (None if fault == "reset" or server.request_id is None else "req-1")
    assert str(error).startswith(f"{backend.provider} model 'tiny' at {backend.endpoint}: ")
    assert len(str(error)) < 600
    assert "\n" not in str(error)


STREAM_FAILURES = [
    ("truncated_stream", ConnectionFailedError),
    ("cut_stream", ConnectionFailedError),
    ("no_finish", ConnectionFailedError),
    ("stream_error", OverloadedError),
    ("broken_json", MalformedReplyError),
]


@pytest.mark.parametrize(
    ("provider", "fault", "expected"), rows(STREAM_FAILURES, lambda p: p.stream_failures)
)
def test_a_stream_that_ends_early_is_an_error_and_no_short_answer(provider, server, fault, expected):
    provider.made(server).register()
    server.fail(fault)
    with ot.stream(llm.generate_text("one two three four"), only=ot.TextDelta) as events:
        pieces = [event.text for event in events]
        with pytest.raises(expected) as caught:
            events.result  # noqa: B018  (raises)
    assert pieces[:2] == ["You", " said"]
    assert type(caught.value) is expected
    assert caught.value.request_id == (server.request_id and "req-1")


@each_provider
@pytest.mark.parametrize(
    ("kind", "watched"),
    [("hang", False), ("hang", True), ("slow_drip", False)],
    ids=["hang", "no stream", "drip"],
)
def test_an_answer_that_takes_too_long_is_a_timeout(provider, server, kind, watched):
    provider.made(server, timeout_s=0.1).register()
    server.fail(kind)
    error = failure_of(llm.generate_text("Hello"), watched=watched)
    assert type(error) is BackendTimeoutError
    assert "within 0.1 s" in str(error)


@each_provider
def test_a_server_that_is_not_there_is_a_connection_error(provider):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    provider.backend("tiny", base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, retries=0).register()
    error = failure_of(llm.generate_text("Hello"))
    assert type(error) is ConnectionFailedError
    assert f"127.0.0.1:{port}" in str(error)
    assert "Check base_url" in str(error)


@each_provider
def test_the_network_guard_is_heard_through_the_sdk(provider, no_network):
    provider.backend("tiny", base_url="http://203.0.113.7/v1", api_key=KEY).register()
    with pytest.raises(NetworkRefusedError):
        ot.run(llm.generate_text("Hello"))
    assert len(no_network) == 1  # and nobody tried again
    no_network.clear()


@each_provider
def test_the_sdks_error_is_the_cause(provider, server):
    backend = provider.made(server).register()
    server.fail(status(400, "bad stop"))
    error = failure_of(llm.generate_text("Hello"))
    assert type(error.__cause__).__module__.startswith(backend.sdk.partition(".")[0])
    assert "bad stop" in str(error)


@each_provider
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
def test_when_to_come_back_is_read_from_the_headers(provider, server, headers, expected, code):
    provider.made(server).register()
    server.fail(status(code, headers=headers))
    assert failure_of(llm.generate_text("Hello")).retry_after_s == expected


# Attempts


@each_provider
def test_what_may_pass_is_tried_again_after_as_long_as_the_provider_asks(provider, server):
    provider.made(server, retries=3, timeout_s=None).register()
    server.fail(status(429, headers={"retry-after": "7"}), status(503), "reset")
    clock = FakeClock()
    assert clock.run(llm.generate_text("Hello")) == "You said: Hello"
    assert len(server.requests) == 4
    assert 7.0 <= clock.time() <= 7.0 + 1.0 + 2.0


@each_provider
def test_what_would_fail_again_is_asked_once(provider, server):
    provider.made(server, retries=3).register()
    server.always = status(401)
    failure_of(llm.generate_text("Hello"))
    assert len(server.requests) == 1


@each_provider
def test_the_error_that_remains_has_the_number_of_attempts(provider, server):
    provider.made(server, retries=2, timeout_s=None).register()
    server.always = status(500)
    with pytest.raises(OverloadedError) as caught:
        FakeClock().run(llm.generate_text("Hello"))
    assert caught.value.attempts == len(server.requests) == 3


@each_provider
@pytest.mark.parametrize(
    ("then", "pieces"),
    [((), ["You", " said", ":", " Hello"]), (("ignores_stream",), ["You said: Hello"])],
    ids=["in pieces", "in one piece"],
)
def test_a_stream_that_broke_off_is_streamed_again_from_its_beginning(provider, server, then, pieces):
    provider.made(server, retries=1, timeout_s=None).register()
    server.fail("truncated_stream", *then)

    async def main():
        async with ot.stream(llm.generate_text("Hello"), only=(ot.TextDelta, ot.Retrying)) as events:
            seen = [event async for event in events]
        return seen, events.result

    seen, text = FakeClock().run(main())
    shown = [event.text if isinstance(event, ot.TextDelta) else "again" for event in seen]
    again = shown.index("again")
    assert shown[:2] == ["You", " said"]
    assert again < 4
    assert shown[again + 1 :] == pieces
    assert text == "You said: Hello"


@each_provider
def test_only_the_call_that_failed_is_made_again(provider, server):
    provider.made(server, retries=1, timeout_s=None).register()
    server.fail("ignores_format", status(500))
    assert FakeClock().run(llm.generate_object("How many?", int)) == 7
    first, failed, repaired = server.bodies()
    assert first != failed == repaired


PASSING = [*[fault for fault, error in FAILURES if error is not ContentRefusedError], "hang", "slow_drip"]


@each_provider
@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_a_run_that_failed_goes_on_from_the_cache(provider, server, fault, tmp_path):
    questions = ot.parallel(*[llm.generate_text(f"q{i}") for i in range(3)], max_concurrency=1)
    patient = {"cache": ot.Cache(tmp_path), "timeout_s": None}
    provider.made(server, **patient).register()
    ot.run(llm.generate_text("q0"))
    server.fail(fault)
    if fault in ("hang", "slow_drip"):
        provider.made(server, **{**patient, "timeout_s": 0.1}).register()
    failure_of(questions)
    assert len(server.requests) == 2
    provider.made(server, **patient).register()
    answers = ["You said: q0", "You said: q1", "You said: q2"]
    assert ot.run(questions) == answers
    assert len(server.requests) == 4
    assert ot.run(questions) == answers
    assert len(server.requests) == 4


@each_provider
def test_a_refusal_is_an_answer_and_kept_like_one(provider, server, tmp_path):
    provider.made(server, cache=ot.Cache(tmp_path)).register()
    server.fail("refusal")
    assert type(failure_of(llm.generate_text("Hello"))) is ContentRefusedError
    assert type(failure_of(llm.generate_text("Hello"))) is ContentRefusedError
    assert len(server.requests) == 1


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


@each_provider
@pytest.mark.parametrize(
    ("fault", "watched"),
    [*((fault, False) for fault in ECHOES), *((fault, True) for fault in [*ECHOES, "stream_error"])],
    ids=repr,
)
def test_the_key_shows_in_nothing_that_goes_wrong(provider, server, caplog, fault, watched):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda prompt: f"{KEY} {KEY}"  # as a server does that echoes what it was sent
    provider.made(server).register()
    server.fail(fault)
    seen: list[object] = []
    with pytest.raises(BackendError) as caught:
        ot.run(llm.generate_text("Hello"), enable_tracing=True, on_event=seen.append if watched else None)
    events = [event for event in seen if not isinstance(event, ot.TextDelta)]  # a model may say what it likes
    shown = [*texts_about(caught.value), repr(events), caplog.text]
    shown += [str(span) for span in vars(caught.value)["trace"].walk()]
    assert [text for text in shown if KEY in text] == []


@each_provider
@pytest.mark.parametrize("fault", [status(500), "reset", "broken_json"], ids=repr)
def test_a_traceback_with_local_variables_does_not_show_the_key_that_was_sent(provider, server, fault):
    provider.made(server).register()
    server.fail(fault)
    error = failure_of(llm.generate_text("Hello"))
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert KEY not in "".join(report.format())


@each_provider
def test_the_key_shows_in_nothing_that_describes_the_backend(provider, server):
    backend = provider.made(server).register()
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


@each_provider
@pytest.mark.parametrize("key", [f"{KEY}\nsecond-line", f"{KEY}\r\nX-Header: 1", f"{KEY}é"])
def test_a_key_that_is_none_is_not_sent_and_not_shown(provider, server, key):
    provider.made(server, api_key=key).register()
    error = failure_of(llm.generate_text("Hello"))
    assert type(error) is AuthenticationError
    assert server.requests == []
    assert [text for text in texts_about(error) if KEY in text] == []


@each_provider
def test_a_placeholder_for_a_key_is_not_cut_out_of_messages(provider, server):
    provider.made(server, api_key="none").register()
    server.fail(status(400, "none of these"))
    assert "none of these" in str(failure_of(llm.generate_text("Hello")))
