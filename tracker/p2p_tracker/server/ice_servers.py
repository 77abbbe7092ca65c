"""ICE servers for players, with passwords that expire.

coturn's scheme (``use-auth-secret``): the user name begins with the time of expiry, and the password is its HMAC-SHA1
under a secret shared with the relay. See "A REST API For Access To TURN Services", draft-uberti-behave-turn-rest.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["ice_servers", "turn_password"]


def turn_password(secret: str, username: str) -> str:
    """Compute the password that coturn expects."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), hashlib.sha1)).decode("ascii")


def ice_servers(
    stun: Sequence[str], turn: Sequence[str], secret: str, expires: float, user: str = "viewer"
) -> list[dict[str, object]]:
    """List servers as an RTCPeerConnection takes them; relays only if there is a secret for them."""
    servers: list[dict[str, object]] = []
    if stun:
        servers.append({"urls": list(stun)})
    if turn and secret:
        username = f"{int(expires)}:{user}"
        servers.append({"urls": list(turn), "username": username, "credential": turn_password(secret, username)})
    return servers
