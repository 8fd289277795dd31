"""Which cells of the table are not plain right answers, and why?"""

EXPECTED: dict[tuple[str, str, str], str] = {}
