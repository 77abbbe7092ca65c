"""The golden vectors, made with p2p-media-loader 2.3.1 and hls.js 1.6.15 themselves."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "wire_vectors.json").read_text("utf-8"))


def ids_of(spec: Any) -> tuple[int, ...]:
    """Read a list of ids, or the range from the first to the last one."""
    if isinstance(spec, dict):
        first, last = spec["range"]
        return tuple(range(first, last + 1))
    return tuple(spec)


def by_name(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Arguments of `pytest.mark.parametrize` for a list of cases."""
    return {"argvalues": cases, "ids": [str(case.get("name", number)) for number, case in enumerate(cases)]}
