"""What does a comparison add to the replay of its calls, and what does it hold in memory?

2 arms x 10,000 examples x 3 samples, all replayed, beside a plain `parallel` of the same 60,000 calls. Each is
measured in the same process, in turn; the time of the statistics is a figure of its own.
"""

from __future__ import annotations

from tests.benchmarks.measuring import Figure, figure, in_fresh_process


def measure() -> list[Figure]:
    """The figures of comparing."""
    ratio, per_row, statistics, memory = map(float, in_fresh_process(_CODE).split())
    name = "2 arms x 10,000 examples x 3 samples, replayed"
    return [
        figure(f"{name} / its 60,000 calls by parallel", ratio, 2.0, "x"),
        figure(f"{name}: per answer", per_row, None, "µs"),
        figure(f"{name}: the statistics", statistics, 5.0, "s"),
        figure(f"{name}: memory of the process", memory, 300.0, "MB"),
    ]


_CODE = """
import gc, statistics, tempfile, time, warnings
from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.core.registry import Registry
from tests.benchmarks.measuring import cpu_s, peak_memory_mb

warnings.simplefilter("ignore")  # a thousand replays in one turn of the loop hold it, here as there
EXAMPLES, SAMPLES = 10_000, 3
arms = {name: Scripted(lambda prompt: prompt[::-1], name=name) for name in ("a", "b")}
examples = [{"id": str(i), "input": f"What is {i}?", "target": "x"} for i in range(EXAMPLES)]

def strategy(question):
    return llm.generate_text(f"Question: {question}\\nAnswer:")

def exact(target, prediction):
    return len(prediction) % 2 == 0

with tempfile.TemporaryDirectory() as folder, ot.Cache(folder) as cache:
    def calls():
        for example in examples:
            first = strategy(example["input"])
            yield from [first, *ot.repeat(first, SAMPLES)[1:]]

    def plain():
        with ot.caching(cache, mode="replay"):
            for backend in arms.values():
                with ot.RegistryContext(Registry(backend.bindings())):
                    ot.run(ot.parallel(calls()))

    def compared():
        ot.compare(arms, strategy, examples, {"exact": exact}, samples=SAMPLES, cache=cache.scope("replay"))

    def measured():
        result = ot.compare(arms, strategy, examples, {"exact": exact}, samples=SAMPLES, cache=cache.scope("replay"))
        return cpu_s(result.computed_anew)

    ot.compare(arms, strategy, examples, {"exact": exact}, samples=SAMPLES, cache=cache)
    compared()
    memory = peak_memory_mb()
    rounds = [(cpu_s(plain), cpu_s(compared)) for _ in range(3)]
    scoring = measured()
    base = statistics.median(a for a, _ in rounds)
    ours = statistics.median(b for _, b in rounds) - scoring
    print(ours / base, ours / (len(arms) * EXAMPLES * SAMPLES) * 1e6, scoring, memory)
"""
