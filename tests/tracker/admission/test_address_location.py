from pathlib import Path
from typing import Any

import pytest
from p2p_tracker.admission.address_location import Locator
from p2p_tracker.core.swarm import Location
from p2p_tracker.errors import OptionError


@pytest.mark.parametrize(
    ("address", "location"),
    [
        ("192.0.2.77", ("192.0.2.0/24", "", "")),
        ("::ffff:192.0.2.77", ("192.0.2.0/24", "", "")),
        ("2001:db8:1:2::3", ("2001:db8:1::/48", "", "")),
        ("nonsense", ()),
        ("", ()),
    ],
)
def test_without_databases_the_location_is_the_network(address: str, location: Location) -> None:
    assert Locator().locate(address) == location


def test_databases_of_several_publishers_give_provider_and_country(tmp_path: Path) -> None:
    pytest.importorskip("maxminddb")
    netaddr, writer = pytest.importorskip("netaddr"), pytest.importorskip("mmdb_writer")

    def write(name: str, records: dict[str, Any]) -> str:
        database = writer.MMDBWriter(ip_version=4, database_type=name)
        for network, record in records.items():
            database.insert_network(netaddr.IPSet([network]), record)
        database.to_db_file(str(tmp_path / name))
        return str(tmp_path / name)

    asn = write("asn", {"192.0.2.0/24": {"autonomous_system_number": 64500}, "198.51.100.0/24": {"asn": "AS64501"}})
    country = write("country", {"192.0.2.0/24": {"country": {"iso_code": "DE"}}, "198.51.100.0/24": {"country": "FR"}})
    locator = Locator([asn, country])
    assert locator.locate("192.0.2.1") == ("192.0.2.0/24", "AS64500", "DE")
    assert locator.locate("198.51.100.1") == ("198.51.100.0/24", "AS64501", "FR")
    assert locator.locate("203.0.113.1") == ("203.0.113.0/24", "", "")
    assert locator.locate("2001:db8::1") == ("2001:db8::/48", "", "")


def test_an_unreadable_database_is_named_in_the_error(tmp_path: Path) -> None:
    pytest.importorskip("maxminddb")
    bad = tmp_path / "bad.mmdb"
    bad.write_bytes(b"nothing")
    for path in (bad, tmp_path / "missing.mmdb"):
        with pytest.raises(OptionError, match=path.name):
            Locator([str(path)])
