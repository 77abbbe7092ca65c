"""Swarms, their memberships, and the clients that hold them.

A membership is one peer id of one connection in one swarm. A connection may hold several memberships under several peer
ids: a page that plays a stream with several qualities has one socket, and one peer id per quality. A peer id is unique
in its swarm, and every list of members allows removal in constant time.
"""

from typing import Generic, TypeAlias, TypeVar

from p2p_tracker.core.expiry import Expiring

__all__ = ["C", "Client", "Group", "Location", "Membership", "Swarm"]

C = TypeVar("C")
"""Handle of a connection: any hashable object."""

Location: TypeAlias = tuple[str, ...]
"""Location of a client as names from near to far, such as network, provider, country; an unknown one is empty.

The names are arbitrary: two clients are as near as the first of these names that they share.
"""


class Client(Expiring, Generic[C]):
    """Client on one connection.

    `expires` is the end of its heartbeat timeout; its memberships are a linked list that starts at `first` and goes on
    with `Membership.next`.
    """

    __slots__ = ("connection", "first", "location", "size")

    def __init__(self, connection: C, expires: float):
        super().__init__(expires)
        self.connection = connection
        self.first: Membership[C] | None = None
        self.size = 0  # number of memberships
        self.location: Location = ()

    def move(self, location: Location) -> None:
        """Change the location, also in the groups of the swarms that the client is in."""
        members = self.memberships()
        for member in members:
            member.swarm.leave_groups(member)
        self.location = tuple(dict.fromkeys(location))
        for member in members:
            member.swarm.join_groups(member)

    def memberships(self) -> "list[Membership[C]]":
        """Return the client's memberships, the latest first."""
        memberships = []
        member = self.first
        while member is not None:
            memberships.append(member)
            member = member.next
        return memberships


class Membership(Expiring, Generic[C]):
    """Peer in a swarm; `expires` is the time until which it must announce again."""

    __slots__ = ("accepts_signals", "client", "index", "is_complete", "next", "offered_in", "peer_id", "swarm")

    def __init__(self, swarm: "Swarm[C]", peer_id: str, client: Client[C], expires: float):
        super().__init__(expires)
        self.swarm = swarm
        self.peer_id = peer_id
        self.client = client
        self.next = client.first
        self.index = -1  # position in `Swarm.members`
        self.is_complete = False
        self.accepts_signals = False
        self.offered_in = -1  # the `Swarm.round` of its last offer


class Group(Generic[C]):
    """Unordered set of members of a swarm."""

    __slots__ = ("_indices", "members")

    def __init__(self) -> None:
        self.members: list[Membership[C]] = []
        self._indices: dict[Membership[C], int] = {}

    def add(self, member: Membership[C]) -> None:
        """Add a member that the group does not contain."""
        self._indices[member] = len(self.members)
        self.members.append(member)

    def remove(self, member: Membership[C]) -> None:
        """Remove a member."""
        index = self._indices.pop(member)
        last = self.members.pop()
        if last is not member:
            self.members[index] = last
            self._indices[last] = index


class Swarm(Generic[C]):
    """Peers that share one stream.

    `complete` counts the members that have the whole stream, and `downloaded` the ``completed`` events; `groups` are
    the members at each location, by its name; `round` is the round of `LeastRecentlyOffered` matching.
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
        """Number of members that do not have the whole stream."""
        return len(self.members) - self.complete

    def owned(self, peer_id: str, client: Client[C]) -> Membership[C] | None:
        """Return the member with this peer id if it belongs to this client, and None otherwise."""
        member = self.by_id.get(peer_id)
        return member if member is not None and member.client is client else None

    def add(self, peer_id: str, client: Client[C], expires: float) -> Membership[C]:
        """Add a peer id that the swarm does not contain, and return its membership."""
        member = Membership(self, peer_id, client, expires)
        member.index = len(self.members)
        self.members.append(member)
        self.by_id[peer_id] = member
        client.first = member
        client.size += 1
        self.join_groups(member)
        return member

    def remove(self, member: Membership[C]) -> None:
        """Remove a member."""
        del self.by_id[member.peer_id]
        last = self.members.pop()
        if last is not member:
            self.members[member.index] = last
            last.index = member.index
        self.leave_groups(member)
        self.set_complete(member, False)
        self._unchain(member)

    def set_complete(self, member: Membership[C], is_complete: bool) -> None:
        """Set whether a member has the whole stream."""
        self.complete += is_complete - member.is_complete
        member.is_complete = is_complete

    def join_groups(self, member: Membership[C]) -> None:
        """Add a member to the groups of its location."""
        for name in member.client.location:
            if name:
                self.groups.setdefault(name, Group()).add(member)

    def leave_groups(self, member: Membership[C]) -> None:
        """Remove a member from the groups of its location."""
        for name in member.client.location:
            if name:
                group = self.groups[name]
                group.remove(member)
                if not group.members:
                    del self.groups[name]

    @staticmethod
    def _unchain(member: Membership[C]) -> None:
        client = member.client
        client.size -= 1
        if client.first is member:
            client.first = member.next
            return
        before = client.first
        while before is not None:
            if before.next is member:
                before.next = member.next
            before = before.next
