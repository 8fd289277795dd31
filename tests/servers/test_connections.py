"""Does a server of the tests close every connection, so that no later test is told of one?"""

import gc
import socket

import pytest

from tests.servers.loopback import LoopbackServer


@pytest.mark.filterwarnings("error")
def test_a_connection_that_comes_as_the_server_stops_is_closed():
    for _ in range(20):
        with LoopbackServer() as server:
            port = int(server.base_url.split(":")[2].split("/")[0])
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for client in clients:
            client.close()
    gc.collect()  # pytest fails a test in which something is collected that was not closed
