"""Golden vectors, recorded from p2p-media-loader 2.3.1 and hls.js 1.6.15."""

import json
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

Case: TypeAlias = dict[str, Any]

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "wire_vectors.json").read_text("utf-8"))


def ids_of(spec: Any) -> tuple[int, ...]:
    """Return the ids that a vector lists, or describes by the first and the last one."""
    if isinstance(spec, dict):
        first, last = spec["range"]
        return tuple(range(first, last + 1))
    return tuple(spec)


class Parameters(TypedDict):
    """Keyword arguments of `pytest.mark.parametrize`."""

    argvalues: list[Case]
    ids: list[str]


def by_name(cases: list[Case]) -> Parameters:
    """Return the keyword arguments of `pytest.mark.parametrize` for a list of cases."""
    return {"argvalues": cases, "ids": [str(case.get("name", number)) for number, case in enumerate(cases)]}
