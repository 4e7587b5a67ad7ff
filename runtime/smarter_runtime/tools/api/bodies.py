"""Reads the body of an answer, bounded after it is unpacked."""

import zlib

import aiohttp

from smarter_runtime.tools.api.faults import ApiFault, TooLarge

ACCEPTED = "gzip"
_PACKED = frozenset({"gzip", "x-gzip"})


async def body(response: aiohttp.ClientResponse, at_most: int) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: when it has more bytes than that.
        ApiFault: when it cannot be unpacked.
    """
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in {"", "identity", *_PACKED}:
        raise ApiFault("BadAnswer", f"The API packs its answers as {coding[:32]!r}, which it was not asked to.")
    # The client's own unpacking makes gigabytes of a few packed megabytes before anybody can look.
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if coding in _PACKED else None
    raw = bytearray()
    async for piece in response.content.iter_any():
        raw += _unpacked(unpacker, piece, at_most - len(raw)) if unpacker else piece
        if len(raw) > at_most:
            raise TooLarge
    return bytes(raw)


def _unpacked(unpacker: "zlib._Decompress", piece: bytes, room: int) -> bytes:
    try:
        return unpacker.decompress(piece, room + 1)
    except zlib.error as error:
        raise ApiFault("BadAnswer", "The API's answer is packed in a way that cannot be read.") from error
