"""Location of an IP address: its network, and from the operator's databases its provider and country."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from p2p_tracker.core.swarm import Location
from p2p_tracker.errors import OptionError

__all__ = ["Locator"]

_IPV4_PREFIX, _IPV6_PREFIX = 24, 48  # bits; providers assign such networks to one site or neighbourhood


class Locator:
    """Locator of IP addresses.

    Parameters
    ----------
    databases
        MaxMind files (.mmdb) of any publisher with countries or autonomous systems; reading them needs the maxminddb
        package.

    Raises
    ------
    OptionError
        When a database cannot be read.
    """

    def __init__(self, databases: Sequence[str] = ()):
        self._readers = [_open(path) for path in databases]
        self.locate = lru_cache(maxsize=10_000)(self._locate)

    def _locate(self, address: str) -> Location:
        """Return network, provider and country of an address; a name that is not known is empty."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return ()
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        prefix = _IPV4_PREFIX if parsed.version == 4 else _IPV6_PREFIX
        network = str(ipaddress.ip_network((parsed, prefix), strict=False))
        provider = country = ""
        for reader in self._readers:
            try:
                record = reader.get(str(parsed))
            except ValueError:  # an IPv6 address in a database of IPv4 addresses
                continue
            provider = provider or _provider(record)
            country = country or _country(record)
        return (network, provider, country)


def _open(path: str) -> Any:
    try:
        import maxminddb
    except ImportError:
        raise OptionError(f"geo_databases = {path!r}: the maxminddb package must be installed") from None
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise OptionError(f"geo_databases = {path!r}: {error}") from None


def _provider(record: Any) -> str:
    number = record.get("autonomous_system_number", record.get("asn")) if isinstance(record, dict) else None
    return f"AS{str(number).removeprefix('AS')}" if number else ""


def _country(record: Any) -> str:
    country = record.get("country", record.get("country_code")) if isinstance(record, dict) else None
    if isinstance(country, dict):
        country = country.get("iso_code")
    return str(country) if country else ""
