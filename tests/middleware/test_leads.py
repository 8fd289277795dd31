"""Is the table of who leads given back, whenever a store is forgotten?"""

import gc
import threading
from pathlib import PosixPath

from onetwo_like.middleware.disk_folder import LOCK
from onetwo_like.middleware.disk_store import DiskStore
from onetwo_like.middleware.leads import lead_table, leave_table


class Collecting(PosixPath):
    """A path at which somebody looks just when garbage is collected."""

    def exists(self, **options):
        gc.collect()
        return super().exists(**options)


def forgotten(folder):
    """Leaves a store in a cycle, which only a collection finds."""
    store = DiskStore(folder)
    lead = store.lead("k")
    assert lead is not None
    lead.release()
    cycle: list[object] = [store]
    cycle.append(cycle)


def test_a_store_may_be_collected_while_a_table_is_looked_for(tmp_path):
    gc.collect()
    gc.disable()
    try:
        forgotten(tmp_path / "c")
        path = Collecting(tmp_path / "c" / LOCK)
        found = []
        looking = threading.Thread(target=lambda: found.append(lead_table(path)), daemon=True)
        looking.start()
        looking.join(30)
    finally:
        gc.enable()
    assert not looking.is_alive()
    [table] = found
    assert table.lead("k") is not None
    leave_table(table)
    assert table._descriptor is None
