"""What happens in a tracker, for those who watch: logs, traces, metrics.

An observer overrides what it cares for. It is called while the tracker works, so it must be quick and must not call
back.
"""

__all__ = ["Observer"]


class Observer:
    """Sees every event and does nothing.

    `sees_messages` is read once: without it, an observer is not told of announces, peers sent and signals relayed,
    which are as frequent as messages.
    """

    sees_messages = True

    def announced(self, info_hash: str, peer_id: str, event: str, offers: int) -> None:
        """Note an announce of a peer, with how many offers it brought."""

    def swarm_created(self, info_hash: str) -> None:
        """Note the first announce of a swarm."""

    def peer_added(self, info_hash: str, peer_id: str, total: int) -> None:
        """Note a new peer; `total` counts it."""

    def peers_sent(self, info_hash: str, peer_id: str, count: int) -> None:
        """Note how many others an announcing peer was put in touch with."""

    def signal_relayed(self, info_hash: str, from_peer_id: str, to_peer_id: str, kind: str) -> None:
        """Note an offer, answer or candidate passed on."""

    def peer_removed(self, info_hash: str, peer_id: str, remaining: int, reason: str) -> None:
        """Note a peer that left: ``stopped``, ``disconnected``, ``silent``, ``expired`` or ``replaced``."""

    def swarm_removed(self, info_hash: str) -> None:
        """Note that a swarm lost its last peer."""

    def refused(self, info_hash: str, reason: str) -> None:
        """Note a message that was not served."""
