"""Path of a WebRTC connection (host, srflx, relay), by the candidates that ICE selected."""

from aiortc import RTCPeerConnection

from p2psim.errors import MissingToolError
from p2psim.trace.schema import PATHS, Path

__all__ = ["joint_path", "path_of"]


def path_of(rtc: RTCPeerConnection) -> Path:
    """Return the path of an open connection as this end sees it, which knows the address of the other end only."""
    if rtc.sctp is None:
        raise ValueError("a connection without a data channel")
    try:
        pairs = rtc.sctp.transport.transport._connection._nominated  # aiortc has no getter for it
    except AttributeError as error:
        raise MissingToolError(f"{error}: this version of aiortc does not show the chosen candidates") from None
    ends = {end.type for pair in pairs.values() for end in (pair.local_candidate, pair.remote_candidate)}
    return next((path for path in reversed(PATHS) if path in ends), "host")


def joint_path(one: Path, other: Path) -> Path:
    """Return the path that both ends see together: through a NAT or relay if one end reports one."""
    return max(one, other, key=PATHS.index)
