"""May this test reach the network? No: loopback only.

`only_loopback()` is the guard; `onetwo_like.testing.pytest_plugin` makes a fixture of it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from onetwo_like.errors import NetworkRefusedError

_CAN_LEAVE = (socket.AF_INET, socket.AF_INET6)


@contextmanager
def only_loopback() -> Iterator[list[str]]:
    """Inside, connecting anywhere but to 127.0.0.0/8, ::1 or a Unix socket is a NetworkRefusedError.

    So is asking for the address of any name but `localhost`. It holds for all threads of this
    process (`socket.connect`, `connect_ex`, `sendto`, `getaddrinfo`, `gethostbyname`), not for
    processes it starts. Yields the list of what was refused so far, because a library may swallow
    the error: check that it is empty.

    >>> import socket
    >>> with only_loopback() as refused:
    ...     socket.create_connection(("203.0.113.7", 443))
    Traceback (most recent call last):
    onetwo_like.errors.NetworkRefusedError: refused to reach 203.0.113.7, port 443: ...
    >>> refused
    ['203.0.113.7, port 443']
    """
    refused: list[str] = []

    def refuse(where: str) -> None:
        refused.append(where)
        raise NetworkRefusedError(
            f"refused to reach {where}: only loopback (127.0.0.0/8, ::1, Unix sockets) is allowed here. "
            "Let a Scripted backend, an SDK's mock transport or a server on 127.0.0.1 answer instead."
        )

    def check_address(sock: socket.socket, address: Any) -> None:
        if sock.family in _CAN_LEAVE and not _is_loopback(address[0]):
            refuse(f"{_text(address[0]) or 'any address'}, port {address[1]}")

    def check_name(host: Any) -> None:
        # A literal address needs no look-up; whether it may be reached is decided on connecting.
        if host and _text(host) != "localhost" and _literal(host) is None:
            refuse(f"{_text(host)} (looking up its address)")

    def connecting(original: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(sock: socket.socket, address: Any) -> Any:
            try:
                check_address(sock, address)
            except NetworkRefusedError:
                sock.close()  # callers close it themselves on an OSError only
                raise
            return original(sock, address)

        return guarded

    def sending(original: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(sock: socket.socket, data: Any, *flags_and_address: Any) -> Any:
            check_address(sock, flags_and_address[-1])
            return original(sock, data, *flags_and_address)

        return guarded

    def looking_up(original: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(host: Any, *arguments: Any, **options: Any) -> Any:
            check_name(host)
            return original(host, *arguments, **options)

        return guarded

    with ExitStack() as stack:
        for owner, name, guard in (
            (socket.socket, "connect", connecting),
            (socket.socket, "connect_ex", connecting),
            (socket.socket, "sendto", sending),
            (socket, "getaddrinfo", looking_up),
            (socket, "gethostbyname", looking_up),
        ):
            stack.enter_context(_replaced(owner, name, guard(getattr(owner, name))))
        yield refused


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    inherited = name not in vars(owner)  # `socket.socket` inherits `connect` from C: nothing to put back
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, original)


def _text(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)


def _literal(host: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(_text(host))
    except ValueError:
        return None


def _is_loopback(host: object) -> bool:
    if _text(host) == "localhost":
        return True
    literal = _literal(host)
    if isinstance(literal, ipaddress.IPv6Address) and literal.ipv4_mapped:
        literal = literal.ipv4_mapped
    return literal is not None and literal.is_loopback
