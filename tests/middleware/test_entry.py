"""Are the bytes of an entry whole, and its own?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetwo_like.errors import CacheError
from onetwo_like.middleware.entry import pack, unpack

ENTRY = pack("k1", b"tParis", b'{"operation": "generate_text"}')


@given(st.text("0123456789abcdef"), st.binary(), st.binary())
def test_an_entry_comes_back_as_it_went(key, value, document):
    assert unpack(key, pack(key, value, document)) == (value, document)


def test_no_single_flipped_bit_gives_an_answer():
    for position in range(8 * len(ENTRY)):
        damaged = bytearray(ENTRY)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CacheError, match="k1"):
            unpack("k1", bytes(damaged))


def test_no_torn_entry_gives_an_answer():
    for length in range(len(ENTRY)):
        with pytest.raises(CacheError, match=r"k1 is damaged.*refresh"):
            unpack("k1", ENTRY[:length])
    with pytest.raises(CacheError, match="damaged"):
        unpack("k1", ENTRY + b"\0")


def test_an_entry_under_the_key_of_another_is_refused():
    with pytest.raises(CacheError, match="k2 is damaged"):
        unpack("k2", ENTRY)


def test_an_entry_of_a_newer_layout_says_to_upgrade():
    with pytest.raises(CacheError, match=r"layout 2.*layout 1.*upgrade"):
        unpack("k1", b"\x02" + ENTRY[1:])
