"""Which options do the tests of the cache have?"""


def pytest_addoption(parser):
    parser.addoption(
        "--kills", type=int, default=5, help="how often the kill -9 harness kills (200 for all of it)"
    )
