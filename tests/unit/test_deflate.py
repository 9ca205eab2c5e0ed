"""Compressed segments that were made apart are one stream, with the CRC-32 of the whole."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from shared.files import deflate

PIECES = st.lists(st.binary(max_size=300), max_size=6)


@given(PIECES)
def test_segments_join_to_one_gzip_member(pieces: list[bytes]) -> None:
    made = [deflate.segment(piece, users=1) for piece in pieces]
    whole = deflate.joined(about for _, about in made)
    head, tail = deflate.gzip_ends(whole)
    file = head + b"".join(data for data, _ in made) + tail

    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(file) == b"".join(pieces)
    assert reader.eof
    assert reader.unused_data == b""
    assert gzip.decompress(file) == b"".join(pieces)
    assert (whole.users, whole.size) == (len(pieces), sum(len(data) for data, _ in made))


@given(PIECES)
def test_the_crc_of_the_whole_is_that_of_the_bytes(pieces: list[bytes]) -> None:
    whole = deflate.joined(deflate.segment(piece)[1] for piece in pieces)

    assert whole.crc == zlib.crc32(b"".join(pieces))
    assert whole.plain == sum(map(len, pieces))


def test_the_crc_is_right_above_four_gibibytes() -> None:
    block = zlib.crc32(bytes(1 << 20))
    expected = 0
    for _ in range(4):
        expected = zlib.crc32(bytes(1 << 20), expected)
    quarter = deflate.Segment(0, 1, 1 << 20, block)
    assert deflate.joined([quarter] * 4).crc == expected

    huge = deflate.joined([deflate.Segment(0, 1, 1 << 32, 0x12345678), deflate.Segment(0, 1, 1 << 32, 0x9ABCDEF0)])
    assert huge.plain == 1 << 33
    head, tail = deflate.gzip_ends(huge)
    assert tail.endswith(bytes(4))
    assert head[:2] == b"\x1f\x8b"
