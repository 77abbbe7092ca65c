"""Swarms and who is in them.

A membership is one peer id of one connection in one swarm. A connection may hold many, under several peer ids: a page
that watches a stream of several qualities has one socket and one peer id per quality. A swarm knows each peer id once,
and every list of members allows removal in constant time.
"""

from typing import Generic, TypeAlias, TypeVar

from p2p_tracker.core.expiry import Expiring

__all__ = ["C", "Group", "Membership", "Place", "Presence", "Swarm"]

C = TypeVar("C")
"""A handle of a connection: any object that can be a key."""

Place: TypeAlias = tuple[str, ...]
"""Where a connection is, from near to far, such as network, provider, country; a name is empty if unknown.

Any names will do: two connections are near by the first of the names of one that the other has, too.
"""


class Presence(Expiring, Generic[C]):
    """A connection as the tracker knows it.

    `expires` is when it counts as silent; `first` begins the chain of its memberships (`Membership.next`).
    """

    __slots__ = ("connection", "first", "place", "size")

    def __init__(self, connection: C, expires: float):
        super().__init__(expires)
        self.connection = connection
        self.first: Membership[C] | None = None
        self.size = 0  # memberships
        self.place: Place = ()

    def move(self, place: Place) -> None:
        """Note where the connection is, also for the swarms that it is in."""
        members = self.memberships()
        for member in members:
            member.swarm.leave_groups(member)
        self.place = tuple(dict.fromkeys(place))
        for member in members:
            member.swarm.join_groups(member)

    def memberships(self) -> "list[Membership[C]]":
        """List what the connection takes part in."""
        found = []
        member = self.first
        while member is not None:
            found.append(member)
            member = member.next
        return found


class Membership(Expiring, Generic[C]):
    """A peer in a swarm; `expires` is when it must have announced again."""

    __slots__ = ("accepts_signals", "index", "is_complete", "next", "offered_in", "peer_id", "presence", "swarm")

    def __init__(self, swarm: "Swarm[C]", peer_id: str, presence: Presence[C], expires: float):
        super().__init__(expires)
        self.swarm = swarm
        self.peer_id = peer_id
        self.presence = presence
        self.next = presence.first
        self.index = -1  # in `Swarm.members`
        self.is_complete = False
        self.accepts_signals = False
        self.offered_in = -1  # of `Swarm.round`


class Group(Generic[C]):
    """Some of the members of a swarm, in no order."""

    __slots__ = ("_indices", "members")

    def __init__(self) -> None:
        self.members: list[Membership[C]] = []
        self._indices: dict[Membership[C], int] = {}

    def add(self, member: Membership[C]) -> None:
        """Let in a member that is not there yet."""
        self._indices[member] = len(self.members)
        self.members.append(member)

    def remove(self, member: Membership[C]) -> None:
        """Let go of a member."""
        index = self._indices.pop(member)
        last = self.members.pop()
        if last is not member:
            self.members[index] = last
            self._indices[last] = index


class Swarm(Generic[C]):
    """The peers that share one stream.

    `complete` counts those that have all of it, `downloaded` how many became so while here; `groups` are those of each
    place, by its name; `round` counts how often everybody got an offer, where that is looked at.
    """

    __slots__ = ("by_id", "complete", "downloaded", "groups", "info_hash", "members", "round")

    def __init__(self, info_hash: str):
        self.info_hash = info_hash
        self.members: list[Membership[C]] = []
        self.by_id: dict[str, Membership[C]] = {}
        self.groups: dict[str, Group[C]] = {}
        self.complete = 0
        self.downloaded = 0
        self.round = 0

    def __len__(self) -> int:
        return len(self.members)

    @property
    def incomplete(self) -> int:
        """How many have not all of it."""
        return len(self.members) - self.complete

    def owned(self, peer_id: str, presence: Presence[C]) -> Membership[C] | None:
        """Find a peer if it is there through this connection."""
        member = self.by_id.get(peer_id)
        return member if member is not None and member.presence is presence else None

    def add(self, peer_id: str, presence: Presence[C], expires: float) -> Membership[C]:
        """Let in a peer id that is not there yet."""
        member = Membership(self, peer_id, presence, expires)
        member.index = len(self.members)
        self.members.append(member)
        self.by_id[peer_id] = member
        presence.first = member
        presence.size += 1
        self.join_groups(member)
        return member

    def remove(self, member: Membership[C]) -> None:
        """Let go of a member."""
        del self.by_id[member.peer_id]
        last = self.members.pop()
        if last is not member:
            self.members[member.index] = last
            last.index = member.index
        self.leave_groups(member)
        self.set_complete(member, False)
        self._unchain(member)

    def set_complete(self, member: Membership[C], is_complete: bool) -> None:
        """Note whether a member has all of the stream."""
        self.complete += is_complete - member.is_complete
        member.is_complete = is_complete

    def join_groups(self, member: Membership[C]) -> None:
        """Let a member into the groups of its place."""
        for name in member.presence.place:
            if name:
                self.groups.setdefault(name, Group()).add(member)

    def leave_groups(self, member: Membership[C]) -> None:
        """Let a member go from the groups of its place."""
        for name in member.presence.place:
            if name:
                group = self.groups[name]
                group.remove(member)
                if not group.members:
                    del self.groups[name]

    @staticmethod
    def _unchain(member: Membership[C]) -> None:
        presence = member.presence
        presence.size -= 1
        if presence.first is member:
            presence.first = member.next
            return
        before = presence.first
        while before is not None:
            if before.next is member:
                before.next = member.next
            before = before.next
