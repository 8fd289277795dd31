"""What holds for every test? No network but loopback, and nothing of this machine's settings."""

import os
import signal

import pytest

from onetwo_like import ot

pytest_plugins = ["onetwo_like.testing.pytest_plugin", "pytester"]

# What takes seconds: real browsers, kernels and killed processes, thousands of levels, long searches for
# counter-examples. The README's command leaves them out, to stay under two minutes with its installation;
# `.ci/run` runs them after it.
SLOW = (
    "tests/core/test_evaluation.py::TestDepth",
    "tests/core/test_interrupt",
    "tests/core/test_random_programs.py",
    "tests/core/test_trace_page.py",
    "tests/experiments/report/test_example_in_browser.py",
    "tests/experiments/report/test_page_in_browser.py",
    "tests/experiments/report/test_table_in_browser.py",
    "tests/experiments/test_replaying.py",
    "tests/flows/test_case_11",
    "tests/flows/test_draw.py::test_a_browser",
    "tests/middleware/test_bundle.py",
    "tests/middleware/test_disk_store.py::test_a_kill",
    "tests/middleware/test_order.py",
    "tests/middleware/test_processes.py",
    "tests/test_notebooks.py",
    "tests/test_site.py",
    "tests/testing/test_replaying.py",
)


def pytest_configure():
    """A shell has what it starts in the background ignore Ctrl-C, and so would the programs of the tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _loopback_only(no_network):
    return no_network


@pytest.fixture(autouse=True)
def _nothing_left_registered():
    """A test that registers does so in a block: what is left in the process answers the tests after it."""
    before = ot.copy_registry()
    yield
    after = ot.copy_registry()
    ot.set_registry(before)  # so that one test fails, and not those after it
    assert after is before


@pytest.fixture(autouse=True)
def _no_keys_no_proxies(monkeypatch):
    for name in os.environ:
        if name.lower().endswith(("_api_key", "_base_url", "_proxy")):
            monkeypatch.delenv(name)
