"""ICE servers for players, with TURN passwords that expire.

The scheme is coturn's (``use-auth-secret``): the user name begins with the time of expiry, and the password is its
HMAC-SHA1 under a secret shared with the TURN server. See "A REST API For Access To TURN Services",
draft-uberti-behave-turn-rest.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["ice_servers", "turn_password"]


def turn_password(secret: str, username: str) -> str:
    """Return the TURN password of a user name."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), hashlib.sha1)).decode("ascii")


def ice_servers(
    stun: Sequence[str], turn: Sequence[str], secret: str, expires: float, user: str = "viewer"
) -> list[dict[str, object]]:
    """Return the ``iceServers`` of an RTCPeerConnection; TURN servers are included only if there is a secret.

    `expires` is the time of expiry of the TURN password, in seconds since the epoch.
    """
    servers: list[dict[str, object]] = []
    if stun:
        servers.append({"urls": list(stun)})
    if turn and secret:
        username = f"{int(expires)}:{user}"
        servers.append({"urls": list(turn), "username": username, "credential": turn_password(secret, username)})
    return servers
