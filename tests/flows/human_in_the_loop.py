"""Case 11 as a program: it asks a person, and can be killed at any moment. Run by test_case_11_human.py."""

import asyncio
import dataclasses
import sys

from onetwo_like import ot


@dataclasses.dataclass(frozen=True)
class Order:
    sku: str


@dataclasses.dataclass(frozen=True)
class Priced:
    sku: str
    price: float


@dataclasses.dataclass(frozen=True)
class Question:
    text: str


@dataclasses.dataclass(frozen=True)
class Approval:
    yes: bool
    by: str


@dataclasses.dataclass(frozen=True)
class Approved:
    sku: str
    by: str


def note(line: str) -> None:
    """Writes to the log that outlives the process."""
    with open(sys.argv[2], "a", encoding="utf-8") as log:
        log.write(line + "\n")


async def price(event: Order) -> Priced:
    note("priced")
    return Priced(event.sku, 9.5)


@ot.step(receives=Approval)
async def ask(event: Priced) -> Approved:
    ot.emit(Question(f"Buy {event.sku} for {event.price}?"))
    answer = await ot.receive(Approval)
    note("answered")
    return Approved(event.sku, answer.by)


async def buy(event: Approved) -> ot.Stop[str]:
    note("buying")
    if sys.argv[3] == "hang":
        sys.stdout.write("hanging\n")
        sys.stdout.flush()
        await asyncio.sleep(60)
    return ot.Stop(f"bought {event.sku}, says {event.by}")


app = ot.Workflow(price, ask, buy)


def main() -> None:
    folder, _, mode = sys.argv[1:4]
    with ot.stream(app(Order("Apple")), checkpoint=folder) as events:
        for event in events:
            if isinstance(event, Question):
                sys.stdout.write(event.text + "\n")
                sys.stdout.flush()
                if mode != "ask":
                    events.send(Approval(True, sys.argv[4]))
        sys.stdout.write(events.result + "\n")


if __name__ == "__main__":
    main()
