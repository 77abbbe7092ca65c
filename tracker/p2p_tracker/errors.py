"""Exceptions of the tracker.

::

    TrackerError
    ├── OptionError        an option with an invalid value (exit status 2)
    ├── PortInUseError     an address on which the tracker cannot listen (exit status 2)
    └── Refusal            a message or connection that is refused, with a failure or a close code
"""

__all__ = ["OptionError", "PortInUseError", "Refusal", "TrackerError"]


class TrackerError(Exception):
    """Base of the tracker's exceptions."""


class OptionError(TrackerError, ValueError):
    """Option that is unknown or has an invalid value."""


class PortInUseError(TrackerError):
    """Address on which the tracker cannot listen, as a rule because it is in use."""


class Refusal(TrackerError):  # noqa: N818 - not an error of the tracker
    """Message or connection that is refused.

    Attributes
    ----------
    action, info_hash
        Fields that the reply must have; if `info_hash` is None, clients cannot interpret any reply.
    close_code
        Close code of the connection if no reply is possible.
    """

    def __init__(self, reason: str, *, action: str = "announce", info_hash: str | None = None, close_code: int = 1008):
        super().__init__(reason)
        self.reason = reason
        self.action = action
        self.info_hash = info_hash
        self.close_code = close_code
