"""What holds for every test? No network but loopback."""

import pytest

pytest_plugins = ["onetwo_like.testing.pytest_plugin", "pytester"]


@pytest.fixture(autouse=True)
def _loopback_only(no_network):
    return no_network
