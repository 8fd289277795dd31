"""Does the table in the docs have all that is asked, as it is written?"""

from tests.servers.real.operations import OPERATIONS
from tests.servers.real.outcomes import DOCS, page, read
from tests.servers.real.ways import WAYS


def test_what_is_shown_is_read_again():
    table = {"One": {"text": {"A": "ok", "B": "ParseError"}, "found out": {"B": "objects: words"}}}
    assert read("# Title\n\nWords.\n\n" + page(table, {"Python": "3"})) == table


def test_the_docs_say_what_each_backend_gets_from_each_server():
    table = read(DOCS.read_text("utf-8"))
    rows = [*(operation.name for operation in OPERATIONS), "stream", "replay, servers stopped"]
    missing = [(str(way), row) for way in WAYS for row in rows if way.backend not in table[way.server][row]]
    assert missing == []
