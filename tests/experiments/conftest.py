"""What do the tests of reports share? One browser, and how to open a report in it."""

import pytest

from onetwo_like.experiments.report.page import write
from tests.experiments.driving import READY
from tests.pictures.browser import browser


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


@pytest.fixture
def opened(chrome, tmp_path):
    """Opens the report of a comparison."""

    def show(comparison, at="", **window):
        write(comparison, tmp_path / "report.html")
        chrome.open((tmp_path / "report.html").as_uri() + at, **window)
        chrome.until(READY)
        return chrome

    return show
