"""Where are the servers, and what does a test need to know about them?

The script writes it for the tests, which run in a process of their own.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

VARIABLE = "ONETWO_LIKE_REAL_SERVERS"  # names the file


@dataclass(frozen=True)
class Addresses:
    """Base URLs without the API's version, what the model says, and whether the servers have been stopped."""

    litellm: str
    transformers: str
    llama: str
    upstream_port: int  # where LiteLLM expects the server that it asks, which the tests start
    key: str
    truth: dict[str, Any]  # what make_model.py wrote
    work: Path
    stopped: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """From the file."""
        fields = json.loads(path.read_text("utf-8"))
        return cls(**{**fields, "work": Path(fields["work"])})

    def write(self, path: Path) -> None:
        """To the file."""
        path.write_text(json.dumps({**asdict(self), "work": str(self.work)}), "utf-8")
