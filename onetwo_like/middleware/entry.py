"""How do the bytes of one cache entry show that they are whole, and whose they are?

    version (1 byte) | CRC-32 (4) | length of the value (8) | value | document

The checksum covers the key, the length, the value and the document. The key is in it because one
flipped bit in the index of a database leads to another row, which is whole but answers another request.
The value stands apart from the document, so that reading a plain answer parses no JSON.
"""

from __future__ import annotations

import struct
from zlib import crc32

from onetwo_like.errors import CacheError

VERSION = 1

_HEAD = struct.Struct(">BIQ")
_LENGTH = struct.Struct(">Q")


def pack(key: str, value: bytes, document: bytes) -> bytes:
    """One entry as bytes: what `unpack` with the same key takes apart.

    >>> unpack("k1", pack("k1", b"Paris", b'{"operation": "generate_text"}'))
    (b'Paris', b'{"operation": "generate_text"}')
    """
    length = _LENGTH.pack(len(value))
    checksum = crc32(document, crc32(value, crc32(length, crc32(key.encode()))))
    return b"".join((_HEAD.pack(VERSION, checksum, len(value)), value, document))


def unpack(key: str, raw: bytes) -> tuple[bytes, bytes]:
    """The value and the document of an entry; CacheError if a byte differs from what was packed."""
    if len(raw) < _HEAD.size:
        raise CacheError(
            f"Cache entry {key} is damaged: it has {len(raw)} bytes, fewer than its head. {_HEAL}"
        )
    version, checksum, length = _HEAD.unpack_from(raw)
    if version != VERSION:
        raise CacheError(
            f"Cache entry {key} has layout {version}; this version of onetwo-like reads layout {VERSION}. "
            "If a newer version wrote it, upgrade: pip install --upgrade onetwo-like. Otherwise it is damaged."
        )
    if crc32(memoryview(raw)[5:], crc32(key.encode())) != checksum:
        raise CacheError(f"Cache entry {key} is damaged: its checksum does not fit its bytes. {_HEAL}")
    end = _HEAD.size + length
    return raw[_HEAD.size : end], raw[end:]


_HEAL = 'Ask again with mode="refresh", or take the entry from another copy of the cache.'
