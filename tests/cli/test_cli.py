"""Which commands are there, and what becomes of their errors?"""

import signal
import subprocess
import sys

import pytest

from onetwo_like import __version__
from tests.cli.conftest import environment


@pytest.mark.parametrize("command", [(), ("demo",), ("run",)])
def test_the_help_of_each_command_has_an_example(cli, command):
    done = cli(*command, "--help")
    assert done.code == 0
    assert "\nexample:\n  onetwo-like " in done.out


def test_the_version_is_that_of_the_package(cli):
    assert cli("--version").out == f"onetwo-like {__version__}\n"


def test_no_command_is_a_one_line_error(refused):
    assert refused().startswith("onetwo-like: the following arguments are required: COMMAND")


def test_a_command_that_does_not_exist_is_a_one_line_error(refused):
    assert refused("dmeo").startswith("onetwo-like: argument COMMAND: invalid choice: 'dmeo'")


def test_an_option_that_does_not_exist_is_a_one_line_error(refused):
    assert "unrecognized arguments: --bakcend" in refused("demo", "--bakcend")


def test_an_option_is_written_out(refused):
    assert "unrecognized arguments: --lim" in refused("demo", "--lim", "3")


def test_a_wrong_value_of_an_option_of_absl_is_a_one_line_error(refused):
    assert "flag --verbosity=loud" in refused("demo", "--verbosity=loud")


def test_the_traceback_of_an_error_is_shown_on_request_only(process):
    quiet = process("run", "nothing.py:here")
    assert quiet.err == "onetwo-like run: there is no file nothing.py\n"
    loud = process("run", "nothing.py:here", "--verbosity=1")
    assert "Traceback (most recent call last)" in loud.err
    assert loud.err.endswith(quiet.err)
    assert {quiet.code, loud.code} == {2}


def test_ctrl_c_ends_a_command_with_130_and_no_traceback(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import asyncio\n"
        "from onetwo_like import ot\n"
        "@ot.make_executable\n"
        "async def forever():\n"
        "    print('started', flush=True)\n"
        "    await asyncio.Event().wait()\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-m", "onetwo_like", "run", "slow.py:forever"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "started\n"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate()
    assert running.returncode == 130
    assert err.startswith("interrupted; ")
    assert len(err.splitlines()) == 1


def test_a_reader_that_has_seen_enough_is_no_error_to_tell_of(tmp_path):
    running = subprocess.Popen(
        [sys.executable, "-m", "onetwo_like", "demo", "--limit", "1"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    running.stdout.close()
    _, err = running.communicate()
    assert err == b""


def test_the_command_line_loads_no_sdk_before_it_is_needed():
    program = "import sys, onetwo_like.cli; print(sorted({'openai', 'pydantic', 'numpy', 'tqdm'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
