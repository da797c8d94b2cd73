"""Content codings: what a server or a proxy packs on its way (RFC 9110, section 8.4)."""

from __future__ import annotations

import zlib

ACCEPTED = "gzip, deflate"
AS_STORED = "identity"

_GZIP_OR_ZLIB, _RAW_DEFLATE = 47, -15
_WINDOWS = {
    "gzip": (_GZIP_OR_ZLIB,),
    "x-gzip": (_GZIP_OR_ZLIB,),
    # Servers disagree about what deflate means (RFC 9110, section 8.4.1.2).
    "deflate": (_GZIP_OR_ZLIB, _RAW_DEFLATE),
}


class TooLarge(ValueError):
    """What is packed is larger than it may be."""


def unpack(content: bytes, codings: str, *, largest: int) -> bytes:
    """Return the bytes that were packed; where they are not packed as it is said of them, return them as they came.

    :param content: a body as it was sent.
    :param codings: what ``Content-Encoding`` says of it.
    :param largest: the most bytes that may come out.
    :raises TooLarge: when there are more.
    """
    for coding in reversed([part.strip().lower() for part in codings.split(",")]):
        for window in _WINDOWS.get(coding, ()):
            unpacked = _inflate(content, window, largest)
            if unpacked is not None:
                content = unpacked
                break
    return content


def _inflate(content: bytes, window: int, largest: int) -> bytes | None:
    """Return what was deflated, or None where it was not, or is not whole."""
    parts, left, size = [], content, 0
    while left:
        stream = zlib.decompressobj(window)
        try:
            part = stream.decompress(left, largest - size + 1)
        except zlib.error:
            return None
        size += len(part)
        if size > largest:
            raise TooLarge(f"There are more than {largest} bytes in it.")
        if not stream.eof:
            return None
        parts.append(part)
        # A gzip file may have several members, one after the other (RFC 1952, section 2.2).
        left = stream.unused_data
    return b"".join(parts) if parts else None
