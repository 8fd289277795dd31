"""Does the guard refuse everything but loopback, and put everything back?"""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from onetwo_like.errors import NetworkRefusedError

ELSEWHERE = ("203.0.113.7", 443)  # reserved for documentation: nobody lives there


def connect_mapped():
    with socket.socket(socket.AF_INET6) as sock:
        sock.connect(("::ffff:203.0.113.7", 443))


def connect_ex():
    with socket.socket() as sock:
        sock.connect_ex(ELSEWHERE)


def send_datagram(*flags: Any):
    rest: Any = (*flags, ELSEWHERE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", *rest)


@pytest.mark.parametrize(
    "reach_out",
    [
        lambda: socket.create_connection(ELSEWHERE),
        lambda: asyncio.run(asyncio.open_connection(*ELSEWHERE)),
        connect_mapped,
        connect_ex,
        send_datagram,
        lambda: send_datagram(0),
    ],
    ids=["create_connection", "asyncio", "mapped", "connect_ex", "datagram", "datagram with flags"],
)
def test_another_machine_is_refused_by_address(no_network, reach_out):
    with pytest.raises(NetworkRefusedError, match=r"203\.0\.113\.7, port 443.*only loopback"):
        reach_out()
    assert len(no_network) == 1
    no_network.clear()


@pytest.mark.parametrize("host", ["models.example", b"models.example"])
@pytest.mark.parametrize(
    "look_up", [lambda host: socket.getaddrinfo(host, 443), lambda host: socket.gethostbyname(host)]
)
def test_looking_up_a_name_is_refused(no_network, look_up, host):
    with pytest.raises(NetworkRefusedError, match=r"models\.example"):
        look_up(host)
    no_network.clear()


def test_other_threads_are_refused_too(no_network):
    seen: list[BaseException] = []

    def reach_out():
        try:
            socket.create_connection(ELSEWHERE)
        except NetworkRefusedError as error:
            seen.append(error)

    thread = threading.Thread(target=reach_out)
    thread.start()
    thread.join()
    assert len(seen) == 1
    no_network.clear()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_loopback_is_reached(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port)) as client, server.accept()[0] as accepted:
            client.sendall(b"hello")
            assert accepted.recv(5) == b"hello"


def test_a_datagram_on_loopback_arrives():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        sender.sendto(b"hello", receiver.getsockname())
        assert receiver.recv(5) == b"hello"


def test_unix_sockets_are_reached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a path of its own may be longer than an address of this kind can be
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("here")
        server.listen()
        client.connect("here")


def test_every_address_of_this_machine_can_be_listened_on():
    assert socket.getaddrinfo(None, 0, flags=socket.AI_PASSIVE)
    assert socket.getaddrinfo("0.0.0.0", 0, flags=socket.AI_PASSIVE)


def test_a_mapped_loopback_address_is_not_refused(no_network):
    with socket.socket(socket.AF_INET6) as sock, contextlib.suppress(OSError):  # a machine may lack IPv6
        sock.connect(("::ffff:127.0.0.1", 9))
    assert no_network == []


def test_afterwards_everything_is_as_it_was():
    # In a fresh interpreter, because here the guard is already in place.
    program = """
import socket
from onetwo_like.testing.network import only_loopback

def look():
    return [dict(vars(socket.socket)), socket.getaddrinfo, socket.gethostbyname]

before = look()
with only_loopback():
    with only_loopback():
        assert look() != before
    assert look() != before
assert look() == before
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_test_that_swallows_the_refusal_fails_all_the_same(pytester):
    pytester.makepyfile("""
        import socket

        def test_that_reaches_out(no_network):
            try:
                socket.getaddrinfo("models.example", 443)
            except RuntimeError:
                pass
    """)
    result = pytester.runpytest("-p", "onetwo_like.testing.pytest_plugin")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*tried to reach models.example*"])
