"""The planted errors fit the sources as they stand now; `python -m tests.theory.plant` plants them."""

import pytest

from tests.theory.plant import ERRORS, ROOT, Error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
def test_there_is_where_to_plant_it_and_a_test_to_notice(error: Error) -> None:
    assert (ROOT / error.file).read_text(encoding="utf-8").count(error.old) == 1
    module, _, name = error.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / "tests/theory" / module).read_text(encoding="utf-8")
