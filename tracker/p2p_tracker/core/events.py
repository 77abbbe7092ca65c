"""Events of a tracker, for logs, traces and metrics.

A subclass of `Observer` overrides the events that it needs. It is called in the middle of the tracker's work, so its
methods must return quickly and must not call the tracker.
"""

__all__ = ["Observer"]


class Observer:
    """Base class that ignores every event.

    If `sees_messages` is False when the tracker is created, the observer is not notified of announces, of peers sent
    and of relayed signals, which are as frequent as messages.
    """

    sees_messages = True

    def announced(self, info_hash: str, peer_id: str, event: str, offers: int) -> None:
        """Handle an announce of a peer that carries `offers` offers."""

    def swarm_created(self, info_hash: str) -> None:
        """Handle the first announce of a swarm."""

    def peer_added(self, info_hash: str, peer_id: str, total: int) -> None:
        """Handle a new peer; `total` is the size of the swarm with it."""

    def peers_sent(self, info_hash: str, peer_id: str, count: int) -> None:
        """Handle the choice of `count` other peers for an announce or a list."""

    def signal_relayed(self, info_hash: str, from_peer_id: str, to_peer_id: str, kind: str) -> None:
        """Handle a relayed message; `kind` is ``offer``, ``answer`` or ``signal``."""

    def peer_removed(self, info_hash: str, peer_id: str, remaining: int, reason: str) -> None:
        """Handle a removed peer; `reason` is ``stopped``, ``disconnected``, ``silent``, ``expired`` or ``replaced``."""

    def swarm_removed(self, info_hash: str) -> None:
        """Handle the removal of a swarm that lost its last peer."""

    def refused(self, info_hash: str, reason: str) -> None:
        """Handle a message that was refused."""
