"""Whether the operator makes progress: the verdict behind `/livez`, which says yes unless a restart would help."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

STALLED_SECONDS = 300.0
"""So long no run of a queue may come to its end while others wait."""

WEDGED_SECONDS = 600.0
"""So long one run may take; every call in it has a limit far below."""

NEGLECTED_SECONDS = 210.0
"""So long a watch may bring nothing while the API server answers: three times what its bookmarks may take."""

LOOP_SECONDS = 30.0
"""So long ago the event loop may have come round."""


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """What is measured; all in seconds."""

    stalled: float
    longest_run: float
    loop: float
    neglect: Mapping[str, float]
    """For each kind how long its watch has brought nothing while the API server answered."""


def ailments(vitals: Vitals) -> Iterator[str]:
    """Yield what is wrong, as sentences; nothing when the operator is alive."""
    if vitals.stalled > STALLED_SECONDS:
        yield f"Resources are waiting and none was done for {vitals.stalled:.0f} s."
    if vitals.longest_run > WEDGED_SECONDS:
        yield f"One run has taken {vitals.longest_run:.0f} s and does not end."
    if vitals.loop > LOOP_SECONDS:
        yield f"The event loop came round {vitals.loop:.0f} s ago."
    for kind, seconds in vitals.neglect.items():
        if seconds > NEGLECTED_SECONDS:
            yield f"The watch of {kind} has brought nothing for {seconds:.0f} s, though the API server answers."
