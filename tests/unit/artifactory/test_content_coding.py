from __future__ import annotations

import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.content_coding import TooLarge, unpack

TEXT = b'{"version": "7.117.1"}' * 50
RAW_DEFLATE = zlib.compressobj(wbits=-15)
LARGEST = 1024 * 1024


def pack(content: bytes) -> bytes:
    """Compress without the time, which would be part of a test's name, and another one in each process."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("codings", "packed"),
    [
        ("gzip", pack(TEXT)),
        ("GZIP", pack(TEXT)),
        ("x-gzip", pack(TEXT)),
        ("gzip", pack(TEXT[:7]) + pack(TEXT[7:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()),
        ("deflate, gzip", pack(zlib.compress(TEXT))),
        ("gzip , gzip", pack(pack(TEXT))),
        ("identity", TEXT),
        ("", TEXT),
    ],
)
def test_what_is_packed_as_it_is_said_is_unpacked(codings: str, packed: bytes) -> None:
    assert unpack(packed, codings, largest=LARGEST) == TEXT


@pytest.mark.parametrize("codings", ["gzip", "deflate", "gzip, deflate", "br", "zstd", "nonsense, gzip", "gzip;q=1"])
@pytest.mark.parametrize("content", [TEXT, b"", b"\x1f\x8b", pack(TEXT)[:-9], pack(TEXT) + b"and something else"])
def test_what_is_not_packed_as_it_is_said_stays_as_it_came(codings: str, content: bytes) -> None:
    assert unpack(content, codings, largest=LARGEST) == content


def test_what_is_packed_may_be_as_large_as_it_may_be_and_no_larger() -> None:
    packed = pack(b"x" * 1000) + pack(b"y" * 1000)
    assert len(unpack(packed, "gzip", largest=2000)) == 2000
    with pytest.raises(TooLarge):
        unpack(packed, "gzip", largest=1999)


def test_a_bomb_is_not_unpacked_further_than_it_may_be() -> None:
    bomb = pack(pack(b"\0" * 256 * LARGEST))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            unpack(bomb, "gzip, gzip", largest=LARGEST)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * LARGEST


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "gzip, gzip", ",,,", "deflate,gzip,br"]))
def test_any_bytes_are_unpacked_or_stay(content: bytes, codings: str) -> None:
    with contextlib.suppress(TooLarge):
        unpack(content, codings, largest=LARGEST)
