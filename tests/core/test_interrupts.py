"""Does an interrupt end a run of a thousand calls at once, in a script and in a notebook, and lose nothing?"""

import json
import subprocess
import sys
import textwrap
import time

import pytest

# 1,000 calls, of which 400 are answered, and the others are held until the interrupt comes.
SETUP = """
import asyncio, json, os, signal, sys, threading, time
from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.loop import background_loop

held, open_requests, asked, moments = True, 0, 0, {}
all_held = threading.Event()

async def answer(prompt):
    global asked, open_requests
    asked += 1
    open_requests += 1
    try:
        if held and int(prompt) >= 400:
            await asyncio.Event().wait()
        return prompt
    finally:
        open_requests -= 1

llm.generate_text.configure(answer, fingerprint="answer")
cache = ot.Cache(sys.argv[1] if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]) else FOLDER)
program = ot.parallel(*[llm.generate_text(str(i)) for i in range(1_000)])

with ot.caching(cache):
    ot.run(llm.generate_text("0"))  # so that what is started once has been started
asked = 0
threads = set(threading.enumerate())

def count(event):
    global finished
    finished += isinstance(event, ot.CallFinished)
    if finished == 400:  # 600 are held then: they were all started first
        all_held.set()

def attempt():
    global finished
    finished = 0
    with ot.caching(cache):
        return ot.run(program, enable_tracing=True, on_event=count)

def report(error):
    tasks = [t for t in asyncio.all_tasks(background_loop()) if not t.done()]
    return json.dumps({
        "answered": sum(span.cache is not None and span.error is None for span in error.trace.walk()),
        "spans": len(error.trace.walk()),
        "tasks": [t.get_name() for t in tasks],
        "threads": [t.name for t in set(threading.enumerate()) - threads],
        "open": open_requests,
        "error": type(error).__name__,
    })
"""

SCRIPT = """
threading.Thread(target=lambda: (all_held.wait(), moments.update(sent=time.monotonic()),
                                 os.kill(os.getpid(), signal.SIGINT)), daemon=True).start()
try:
    attempt()
except KeyboardInterrupt as error:
    took = time.monotonic() - moments["sent"]
    time.sleep(0.05)  # the thread that sent the signal ends
    print(json.dumps({**json.loads(report(error)), "took": took}))
held, before = False, asked
value, _ = attempt()
print(value == [str(i) for i in range(1_000)], asked - before)
"""


def check(found, within_s=0.5):
    assert found["error"] == "KeyboardInterrupt"
    assert found["took"] < within_s
    assert (found["tasks"], found["threads"], found["open"]) == ([], [], 0)
    assert found["answered"] == 400
    assert found["spans"] == 2_001


def test_a_script_stops_within_half_a_second_and_continues_with_the_rest(tmp_path):
    program = SETUP.replace("FOLDER", "None") + textwrap.dedent(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report, rest = done.stdout.splitlines()
    check(json.loads(report))
    assert rest == "True 600"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the client's own dependencies, on some versions
def test_so_does_a_cell_of_a_notebook(tmp_path):
    manager_module = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    manager, client = manager_module.start_new_kernel(kernel_name="python3")

    def execute(code, interrupt_when=None):
        """What the cell prints, and the time from the interrupt to its end."""
        written: list[str] = []
        sent = None
        client.execute(code)
        while True:
            message = client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                written.append(content["text"])
                if interrupt_when and interrupt_when in content["text"]:
                    sent = time.monotonic()
                    manager.interrupt_kernel()
            elif kind == "error" and content["ename"] != "KeyboardInterrupt":
                raise AssertionError("\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(written), None if sent is None else time.monotonic() - sent

    try:
        execute(SETUP.replace("FOLDER", repr(str(tmp_path))))
        execute(
            "threading.Thread(target=lambda: (all_held.wait(), print('all held', flush=True)), daemon=True).start()\n"
            "threads = set(threading.enumerate())"
        )
        cell = "value, trace = attempt()"
        _, took = execute(cell, interrupt_when="all held")
        report, _ = execute("print(report(sys.last_value))")
        found = json.loads(report)
        check({**found, "took": took}, within_s=1.0)  # the kernel's signal and messages are in it too
        execute("held, before = False, asked")
        execute(cell)
        assert execute("print(value == [str(i) for i in range(1_000)], asked - before)")[0] == "True 600\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
