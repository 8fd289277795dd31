"""Which events do the teams exchange? All that they know of each other."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Start:
    sku: str


@dataclasses.dataclass(frozen=True)
class Feedback:
    sku: str
    mood: str


@dataclasses.dataclass(frozen=True)
class Trade:
    sku: str
    action: str
