"""Every error that the tracker raises on purpose.

::

    TrackerError
    ├── OptionError        an option that cannot be understood or accepted (exit status 2)
    ├── PortInUseError     an address that another program holds (exit status 2)
    └── Refusal            a message of a client that is answered by a failure or a close code
"""

__all__ = ["OptionError", "PortInUseError", "Refusal", "TrackerError"]


class TrackerError(Exception):
    """Base of all errors raised on purpose."""


class OptionError(TrackerError, ValueError):
    """An option that cannot be understood or accepted."""


class PortInUseError(TrackerError):
    """An address to listen on is taken."""


class Refusal(TrackerError):  # noqa: N818 - it is the client's error, and the protocol's word for it
    """A message that is not served.

    Attributes
    ----------
    action, info_hash
        What a reply must carry so that every client understands it; without an `info_hash` no reply is understood.
    close_code
        The code to close with when there is nothing to reply to.
    """

    def __init__(self, reason: str, *, action: str = "announce", info_hash: str | None = None, close_code: int = 1008):
        super().__init__(reason)
        self.reason = reason
        self.action = action
        self.info_hash = info_hash
        self.close_code = close_code
