"""Ends an answer at a stop sequence, for formats in which providers cannot be asked to."""

from collections.abc import Iterable, Iterator, Sequence

from smarter_runtime.events import Event, Finish, Text, ToolCall


class StopCutter:
    """Takes the events of one answer and gives them up to the first stop sequence, which may come in pieces.

    What the model writes beyond it is not shown, but read: its usage comes last, and it is paid for.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self._is_over = False

    def events(self, event: Event) -> Iterable[Event]:
        return self._cut(event) if self._stops else (event,)

    def _cut(self, event: Event) -> Iterator[Event]:
        if isinstance(event, Text):
            yield from self._shown(event.delta)
            return
        if isinstance(event, Finish | ToolCall) and self._held:
            yield Text(self._held)
            self._held = ""
        if not self._is_over:
            yield event
        elif not isinstance(event, ToolCall):
            yield Finish("stop") if isinstance(event, Finish) else event

    def _shown(self, delta: str) -> Iterator[Text]:
        if self._is_over:
            return
        text = self._held + delta
        # The one that is whole first counts; one that began earlier may need text that has not come yet.
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        self._is_over = bool(found)
        end = min(found)[1] if found else len(text) - self._begun(text)
        self._held = "" if found else text[end:]
        if end:
            yield Text(text[:end])

    def _begun(self, text: str) -> int:
        """Return how many characters at the end of `text` may be the beginning of a stop sequence."""
        lengths = (
            length for stop in self._stops for length in range(len(stop) - 1, 0, -1) if text.endswith(stop[:length])
        )
        return max(lengths, default=0)
