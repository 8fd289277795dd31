"""Is what the statistics need installed?"""

from __future__ import annotations

import importlib.util

from onetwo_like.errors import MissingExtraError


def require_scipy() -> None:
    """Raises MissingExtraError where numpy or scipy is missing: to be known before a comparison is paid for."""
    for package in ("numpy", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"The statistics of a comparison need the package {package!r}, which is not installed: "
                'pip install "onetwo-like[experiments]"'
            )
