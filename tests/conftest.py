"""What holds for every test? No network but loopback, and nothing of this machine's settings."""

import os

import pytest

pytest_plugins = ["onetwo_like.testing.pytest_plugin", "pytester"]


@pytest.fixture(autouse=True)
def _loopback_only(no_network):
    return no_network


@pytest.fixture(autouse=True)
def _no_keys_no_proxies(monkeypatch):
    for name in os.environ:
        if name.lower().endswith(("_api_key", "_base_url", "_proxy")):
            monkeypatch.delenv(name)
