"""Reads server-sent events from bytes that may be cut anywhere."""

MAX_EVENT_BYTES = 4 * 1024 * 1024
_DATA = b"data: "


class SseParser:
    """Takes pieces of a stream and gives the `data` of each event that is complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._is_first = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that `piece` completes.

        Raises:
            ValueError: when an event grows beyond all bounds.
        """
        if not self._rest and not self._data and _is_one_event(piece):
            self._is_first = False
            return [piece[len(_DATA) : -2]]
        text = self._rest + piece
        if self._is_first and len(text) >= len(b"\xef\xbb\xbf"):
            text, self._is_first = text.removeprefix(b"\xef\xbb\xbf"), False
        # A carriage return at the end may be half of a line end: it waits for what comes next.
        held = b"\r" if text.endswith(b"\r") else b""
        if b"\r" in text:
            text = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._rest = lines.pop() + held
        events = [event for line in lines if (event := self._line(line)) is not None]
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise ValueError("an event of the stream is too large")
        return events

    def end(self) -> list[bytes]:
        """Return what the stream's end completes: some servers leave out the last blank line."""
        return self.feed(b"\n\n")

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            event, self._data = b"\n".join(self._data) if self._data else None, []
            return event
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        # Comments (keep-alives) and the fields event, id and retry carry nothing that we need.
        return None


def _is_one_event(piece: bytes) -> bool:
    """Tell whether a piece is one whole event of one line, as most are."""
    return piece.startswith(_DATA) and piece.endswith(b"\n\n") and piece.count(b"\n") == 2 and b"\r" not in piece
