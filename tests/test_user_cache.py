"""Files that can be made again have a place for every user."""

import os
from pathlib import Path

import pytest

from p2psim.user_cache import home_cache, temporary_cache, user_cache


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_it_is_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_cache("media") == tmp_path / "home" / ".cache" / "p2psim" / "media"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert user_cache("npm") == tmp_path / "other" / "p2psim" / "npm"


def test_without_a_home_it_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / f"p2psim-{os.geteuid()}"
    (tmp_path / "home").write_text("a file, so no folder can be made here")
    assert user_cache("media") == temporary / "media"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert home_cache() is None
    assert user_cache("media") == temporary / "media"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.expanduser", lambda _: (_ for _ in ()).throw(RuntimeError("no home")))
    assert home_cache() is None
    assert user_cache("media") == temporary / "media"


def test_a_temporary_folder_of_others_is_refused(tmp_path: Path) -> None:
    folder = temporary_cache()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert temporary_cache() == folder
    folder.chmod(0o770)
    with pytest.raises(PermissionError, match="can be written to by others"):
        temporary_cache()
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="can be written to by others"):
        temporary_cache()
