"""Provenance of a trace."""

import json

from p2psim.trace import Manifest, versions


def test_manifest_is_plain_json() -> None:
    manifest = Manifest(world="measured", scenario_digest="x", seed=1, replication=0, duration=3.0, notes={"cpu": 0.5})
    assert Manifest(**json.loads(json.dumps(manifest.to_dict()))) == manifest
    assert "numpy" in versions()
