"""Where an address is: its network, and, with databases of the operator, its provider and country."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from p2p_tracker.core.swarm import Place
from p2p_tracker.errors import OptionError

__all__ = ["Locator"]

_IPV4_PREFIX, _IPV6_PREFIX = 24, 48  # what providers hand out to one site or neighbourhood


class Locator:
    """Finds places.

    Parameters
    ----------
    databases
        MaxMind files (.mmdb) with countries or autonomous systems, of any publisher; they need the maxminddb package.

    Raises
    ------
    OptionError
        When a database cannot be read.
    """

    def __init__(self, databases: Sequence[str] = ()):
        self._readers = [_open(path) for path in databases]
        self.locate = lru_cache(maxsize=10_000)(self._locate)

    def _locate(self, address: str) -> Place:
        """Name the network, the provider and the country of an address, as far as they are known."""
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
            except ValueError:  # an IPv6 address, and a database of IPv4
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
