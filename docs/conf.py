"""How is the site built? `python -m sphinx -W -b html docs docs/_build`, with no network."""

from onetwo_like import __version__

project = "onetwo-like"
author = "the onetwo-like authors"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True  # a reference to nothing is an error

myst_heading_anchors = 3  # links such as caching.md#replay

html_theme = "alabaster"  # comes with Sphinx: nothing to fetch, and no script from elsewhere
html_title = f"onetwo-like {release}"
html_copy_source = False
html_theme_options = {"description": "Programs that talk to models, as values."}
