"""Events of a replayed world, in the words of the recorder."""

import math
from dataclasses import dataclass, field
from typing import Any

from tests.policy.virtual_time import TooManyEventsError, VirtualClock


@dataclass
class Notes:
    """The trace: what happened, in the recorder's words."""

    clock: VirtualClock
    most: int = 1_000_000
    events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, ev: str, **details: Any) -> None:
        if len(self.events) >= self.most:
            raise TooManyEventsError
        # JavaScript rounds halves up
        self.events.append({"t": math.floor(self.clock.ms + 0.5), "ev": ev, **details})

    def attempt_started(self, segment: int, source: str, peer: str, first_byte: int) -> None: ...

    def bytes_received(self, segment: int, source: str, peer: str, count: int) -> None: ...

    def attempt_ended(self, segment: int, source: str, peer: str, outcome: str) -> None:
        who = {"peer": peer} if source == "p2p" else {}
        if outcome == "loaded":
            self.add("loaded", id=segment, src=source, **who)
        elif outcome == "abort":
            self.add("abort", id=segment, src=source, **who)
        else:
            self.add("error", id=segment, src=source, **who, type=outcome)

    def bytes_sent(self, segment: int, peer: str, count: int) -> None: ...

    def upload_ended(self, segment: int, peer: str, complete: bool) -> None: ...

    def peer_closed(self, peer: str) -> None:
        self.add("peer_close", peer=peer)


class LevelNotes(Notes):
    """Notes that name the level of a ladder."""

    def __init__(self, notes: Notes, level: int) -> None:
        super().__init__(notes.clock, notes.most, notes.events)
        self._level = level

    def add(self, ev: str, **details: Any) -> None:
        if "id" in details:
            details = {"id": details.pop("id"), "level": self._level, **details}
        super().add(ev, **details)
