"""Path of a WebRTC connection (host, srflx, prflx, relay), by the candidate pair that ICE nominated."""

from aiortc import RTCPeerConnection

from p2psim.errors import MissingToolError
from p2psim.trace.schema import PATHS, Path

__all__ = ["joint_path", "path_of"]


def path_of(rtc: RTCPeerConnection) -> Path:
    """Return the path of an open connection as this end sees it; the other end may see another one."""
    if rtc.sctp is None:
        raise ValueError("the connection has no data channel, so it has no ICE agent; create the channel first")
    try:
        pairs = rtc.sctp.transport.transport._connection._nominated  # aiortc has no getter for it
    except AttributeError as error:
        raise MissingToolError(f"{error}: this version of aiortc does not show the nominated candidates") from None
    ends = {end.type for pair in pairs.values() for end in (pair.local_candidate, pair.remote_candidate)}
    return next((path for path in reversed(PATHS) if path in ends), "host")


def joint_path(one: Path, other: Path) -> Path:
    """Return the path of a connection by the reports of both ends: the less direct of the two."""
    return max(one, other, key=PATHS.index)
