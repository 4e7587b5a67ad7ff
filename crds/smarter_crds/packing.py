"""How a config is named, and made small enough for a ConfigMap."""

import gzip
import hashlib
import io
import zlib

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""Most bytes of a config before compression; a reader refuses to unfold more."""

_PACK_LEVEL = 6
_PACKED_AT_ONCE = 2**18
_GZIP = 31


def config_hash(document: bytes) -> str:
    """Return the hash by which operator and runtime name a config: SHA-256 of its JSON, 64 hex digits."""
    return hashlib.sha256(document).hexdigest()


def pack(document: bytes) -> bytes:
    """Compress for the ConfigMap; the same input gives the same bytes."""
    return gzip.compress(document, compresslevel=_PACK_LEVEL, mtime=0)


def packed_size(document: bytes, at_most: int) -> int | None:
    """Return how many bytes `pack` makes of `document`; None as soon as they are known to be more than `at_most`."""
    packer, size = zlib.compressobj(_PACK_LEVEL, wbits=_GZIP), 0
    for start in range(0, len(document), _PACKED_AT_ONCE):
        size += len(packer.compress(document[start : start + _PACKED_AT_ONCE]))
        if size > at_most:
            return None
    size += len(packer.flush())
    return size if size <= at_most else None


def unpack(packed: bytes, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Decompress what `pack` made.

    Raises:
        ValueError: when it is no gzip data, is cut, or unfolds to more than `max_bytes`.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            document = stream.read(max_bytes + 1)
    except (OSError, EOFError) as error:
        raise ValueError(f"the config is not gzip data: {error}") from error
    if len(document) > max_bytes:
        raise ValueError(f"the config unfolds to more than {max_bytes} bytes")
    return document
