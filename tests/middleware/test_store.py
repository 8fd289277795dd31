"""Do the stores of the package keep what the cache needs kept?"""

from pathlib import Path

from onetwo_like.middleware.disk_store import DiskStore
from onetwo_like.middleware.store import MemoryStore, Store
from onetwo_like.testing.store_suite import StoreSuite


class TestMemoryStore(StoreSuite):
    survives_closing = False

    def make_store(self, tmp_path: Path) -> Store:
        return MemoryStore()


class TestDiskStore(StoreSuite):
    def make_store(self, tmp_path: Path) -> Store:
        return DiskStore(tmp_path / "runs" / "cache")
