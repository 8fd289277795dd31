"""Does a store of yours keep what the replay cache needs kept?

Derive a test class, say how to make the store, and pytest runs the rest:

    class TestMyStore(StoreSuite):
        def make_store(self, tmp_path):
            return MyStore(tmp_path / "cache")

Set `survives_closing = False` for a store whose entries go with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from onetwo_like.errors import CacheError
from onetwo_like.middleware.group_commit import DurableWrites
from onetwo_like.middleware.store import Entries, Store, write_now


def key_of(name: object) -> str:
    """A key as the cache makes them."""
    return hashlib.sha256(str(name).encode()).hexdigest()


def accepted_calls(store: Store) -> list[str]:
    """The methods that do not raise CacheError now."""
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: store.get(key_of(1)),
        "write": lambda: write_now(store, [(key_of(1), b"")]),
        "keys": lambda: list(store.keys()),
        "len": lambda: len(store),
        "lead": lambda: store.lead(key_of(1)),
    }
    accepted = []
    for name, call in calls.items():
        with contextlib.suppress(CacheError):
            call()
            accepted.append(name)
    return accepted


class StoreSuite:
    """The contract of `onetwo_like.middleware.store.Store`, as tests; derive and override `make_store`."""

    survives_closing = True

    def make_store(self, tmp_path: Path) -> Store:
        """A store that is empty at first; called again with the same path, the same entries."""
        raise NotImplementedError(
            "say how to make the store: def make_store(self, tmp_path): return MyStore(...)"
        )

    @contextlib.contextmanager
    def opened(self, tmp_path: Path) -> Iterator[Store]:
        """The store, closed at the end."""
        store = self.make_store(tmp_path)
        try:
            yield store
        finally:
            store.close()

    def test_a_key_that_was_never_written_has_no_value(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            assert store.get(key_of(1)) is None
            assert (len(store), list(store.keys())) == (0, [])

    def test_values_of_every_length_come_back_exactly(self, tmp_path: Path) -> None:
        values = {
            key_of(n): bytes(range(256)) * (n // 256) + bytes(n % 256)
            for n in (0, 1, 100, 32_767, 32_768, 100_000, 3_000_000)
        }
        with self.opened(tmp_path) as store:
            write_now(store, list(values.items()))
            assert {key: store.get(key) for key in values} == values
            assert sorted(store.keys()) == sorted(values)
            assert len(store) == len(values)

    def test_what_is_acknowledged_is_there_when_the_store_is_opened_again(self, tmp_path: Path) -> None:
        if not self.survives_closing:
            return
        with self.opened(tmp_path) as store:
            write_now(store, [(key_of(1), b"small"), (key_of(2), b"large" * 100_000)])
        with self.opened(tmp_path) as store:
            assert store.get(key_of(1)) == b"small"
            assert store.get(key_of(2)) == b"large" * 100_000
            assert len(store) == 2

    def test_a_second_handle_sees_what_is_acknowledged(self, tmp_path: Path) -> None:
        if not self.survives_closing:
            return
        with self.opened(tmp_path) as one, self.opened(tmp_path) as other:
            write_now(one, [(key_of(1), b"one")])
            write_now(other, [(key_of(2), b"other")])
            assert (one.get(key_of(2)), other.get(key_of(1))) == (b"other", b"one")

    def test_the_last_value_written_counts(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            for value in (b"small", b"large" * 10_000, b"larger" * 20_000, b"small again"):
                write_now(store, [(key_of(1), b"before"), (key_of(1), value)])
                assert store.get(key_of(1)) == value
            assert len(store) == 1

    def test_none_deletes(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            write_now(store, [(key_of(1), b"small"), (key_of(2), b"large" * 10_000), (key_of(3), b"kept")])
            write_now(store, [(key_of(1), None), (key_of(2), None), (key_of("never written"), None)])
            assert list(store.keys()) == [key_of(3)]
            assert store.get(key_of(1)) is None
            assert store.get(key_of(2)) is None
            assert len(store) == 1

    def test_a_value_that_cannot_be_kept_harms_only_itself(self, tmp_path: Path) -> None:
        entries: Entries = [
            (key_of(1), b"before"),
            (key_of(2), "not bytes"),  # type: ignore[list-item]
            (3, b"not a key"),  # type: ignore[list-item]
            (key_of(4), b"after"),
        ]
        with self.opened(tmp_path) as store:
            errors = store.write(entries).result()
            assert [isinstance(error, CacheError) for error in errors] == [False, True, True, False]
            assert [store.get(key_of(n)) for n in (1, 2, 4)] == [b"before", None, b"after"]
            assert len(store) == 2

    def test_each_batch_gets_its_own_errors(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            batches: list[Entries] = [
                [(key_of(n), b"good"), (key_of(n), "not bytes" if n % 3 else b"good")]  # type: ignore[list-item]
                for n in range(100)
            ]
            results = [written.result() for written in [store.write(batch) for batch in batches]]
            assert [[error is None for error in errors] for errors in results] == [
                [True, n % 3 == 0] for n in range(100)
            ]

    def test_nobody_can_cancel_a_write(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            written = store.write([(key_of(1), b"value")])
            assert not written.cancel()
            assert written.result() == [None]

    def test_an_empty_batch_waits_for_those_before_it(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            earlier = store.write([(key_of(n), b"value") for n in range(100)])
            assert store.write([]).result() == []
            assert earlier.done()

    def test_a_write_of_one_loop_is_acknowledged_there(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:

            async def fill() -> None:
                writes = DurableWrites(store)

                async def one(n: int) -> None:
                    await writes.put(key_of(n), b"%d" % n)
                    assert store.get(key_of(n)) == b"%d" % n

                await asyncio.gather(*[one(n) for n in range(300)])

            asyncio.run(fill())
            assert len(store) == 300

    def test_many_loops_and_threads_lose_nothing(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:

            async def fill(thread: int) -> None:
                writes = DurableWrites(store)
                await asyncio.gather(*[writes.put(key_of((thread, n)), b"%d" % n) for n in range(100)])

            threads = [threading.Thread(target=lambda t=t: asyncio.run(fill(t))) for t in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(store) == 400
            assert all(store.get(key_of((t, n))) == b"%d" % n for t in range(4) for n in range(100))

    def test_one_loop_learns_which_of_its_writes_failed(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:

            async def fill() -> list[object]:
                writes = DurableWrites(store)
                values = [b"good", "not bytes", b"good too"]
                puts = [writes.put(key_of(n), value) for n, value in enumerate(values)]  # type: ignore[arg-type]
                return list(await asyncio.gather(*puts, return_exceptions=True))

            first, second, third = asyncio.run(fill())
            assert (first, third) == (None, None)
            assert isinstance(second, CacheError)

    def test_keys_can_be_walked_while_entries_are_written_and_deleted(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            names = [key_of(n) for n in range(2500)]
            write_now(store, [(key, b"") for key in names])
            seen = []
            for i, key in enumerate(store.keys()):
                seen.append(key)
                if i in (0, 1500):
                    write_now(store, [(key, None), (key_of(("new", i)), b"")])
            assert set(names) <= set(seen)
            assert len(seen) == len(set(seen))

    def test_one_leads_and_all_others_wait(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            lead = store.lead(key_of(1))
            assert lead is not None
            assert store.lead(key_of(1)) is None
            found: list[object] = []
            thread = threading.Thread(target=lambda: found.append(store.lead(key_of(1))))
            thread.start()
            thread.join()
            assert found == [None]
            lead.release()
            again = store.lead(key_of(1))
            assert again is not None
            lead.release()  # of one who leads no more: takes nothing from the one who does
            assert store.lead(key_of(1)) is None
            again.release()

    def test_two_keys_have_two_leaders(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            leads = [store.lead(key_of(n)) for n in range(100)]
            assert None not in leads
            for lead in leads:
                assert lead is not None
                lead.release()

    def test_two_handles_of_one_process_exclude_each_other(self, tmp_path: Path) -> None:
        if not self.survives_closing:
            return
        with self.opened(tmp_path) as one:
            lead = one.lead(key_of(1))
            assert lead is not None
            with self.opened(tmp_path) as other:
                assert other.lead(key_of(1)) is None
            with self.opened(tmp_path) as third:  # the second has closed, and dropped no lock of the first
                assert third.lead(key_of(1)) is None
                lead.release()
                with third.lead(key_of(1)) or contextlib.nullcontext():
                    assert one.lead(key_of(1)) is None

    def test_closing_waits_for_what_is_being_written(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        written = store.write([(key_of(n), b"value" * 1000) for n in range(500)])
        store.close()
        assert written.done()
        assert written.result() == [None] * 500

    def test_a_closed_store_refuses_everything(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        write_now(store, [(key_of(1), b"value")])
        store.close()
        store.close()
        assert accepted_calls(store) == []

    def test_a_loop_whose_store_is_closed_gets_the_error(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        store.close()

        async def put() -> object:
            [outcome] = await asyncio.gather(DurableWrites(store).put(key_of(1), b""), return_exceptions=True)
            return outcome

        assert isinstance(asyncio.run(put()), CacheError)
