import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = ("bittorrent-tracker@11.2.3", "p2p-media-loader-core@2.3.1")


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with widely used clients: the one that NODE_MODULES names, or one that npm fills."""
    if folder_name := os.environ.get("NODE_MODULES"):
        return Path(folder_name)
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install {' '.join(PACKAGES)}: {done.stderr.strip()[-200:]}")
    return folder / "node_modules"
