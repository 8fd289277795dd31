"""How is each real server started on loopback?"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from tests.servers.addresses import Addresses
from tests.servers.environments import ROOT, python_of
from tests.servers.processes import Leashed, StartError, free_port

_MAKE_MODEL = ROOT / "tests" / "servers" / "make_model.py"
_CORPUS = ROOT / "onetwo_like" / "backends" / "corpus" / "countries.tsv"
_READY_S = 180.0


def make_model(work: Path) -> dict[str, object]:
    """Makes the model that the servers serve, in `work`/tiny-llama; returns what it says to some texts."""
    log = _fresh(work / "make_model.log")
    folder = work / "tiny-llama"
    command = [python_of(work, "transformers"), _MAKE_MODEL, folder, _CORPUS]
    with Leashed(command, log=log, env=_environment()) as process:
        if code := process.finished(_READY_S):
            raise StartError(f"{process.shown} ended with {code}.{process.end_of_log()}")
    truth: dict[str, object] = json.loads((folder / "truth.json").read_text("utf-8"))
    return truth


@contextlib.contextmanager
def running(work: Path, truth: dict[str, object]) -> Iterator[Addresses]:
    """All servers, ready, for the duration of the block."""
    key = f"sk-real-{secrets.token_hex(12)}"
    litellm, transformers, llama, upstream = (free_port() for _ in range(4))
    (work / "litellm.json").write_text(json.dumps(_litellm(upstream, key)), "utf-8")
    (work / "llama.json").write_text(json.dumps(_llama(llama, key)), "utf-8")
    # JSON is YAML too. The folder is where they run, so that no path of this machine is part of a model's name.
    commands = {
        "litellm": ["litellm", "--config", "litellm.json", "--host", "127.0.0.1", "--port", str(litellm)],
        "transformers": ["transformers", "serve", "tiny-llama", "--host", "127.0.0.1", "--port", str(transformers)],
        "llama": ["python", "-m", "llama_cpp.server", "--config_file", "llama.json"],
    }  # fmt: skip
    ready = {
        "litellm": f"http://127.0.0.1:{litellm}/health/readiness",
        "transformers": f"http://127.0.0.1:{transformers}/health",
        "llama": f"http://127.0.0.1:{llama}/docs",  # the one page that asks for no key
    }
    with contextlib.ExitStack() as stack:
        started = {}
        for name, (program, *arguments) in commands.items():
            command: list[str | Path] = [python_of(work, name).parent / program, *arguments]
            server = Leashed(command, log=_fresh(work / f"{name}.log"), env=_environment(), cwd=work)
            started[name] = stack.enter_context(server)
        for name, server in started.items():
            server.wait_until_ready(ready[name], _READY_S)
        yield Addresses(
            litellm=f"http://127.0.0.1:{litellm}",
            transformers=f"http://127.0.0.1:{transformers}",
            llama=f"http://127.0.0.1:{llama}",
            upstream_port=upstream,
            key=key,
            truth=truth,
            work=work,
        )


def _litellm(upstream: int, key: str) -> dict[str, object]:
    # Behind it is a server that the tests can make fail. LiteLLM's own mocks do not fail on all of its routes.
    behind = {"api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-upstream", "max_retries": 0}
    bridged = {"use_chat_completions_api": True, **behind}
    models: dict[str, dict[str, object]] = {
        # "openai" is asked by the path that came in; the others by chat completions, whatever came in.
        "direct": {"model": "openai/tiny", **behind},
        "bridged": {"model": "hosted_vllm/tiny", **bridged},
        # A model of its own for failures, because after refusals a backend asks more slowly.
        "failing-direct": {"model": "openai/failing", **behind},
        "failing-bridged": {"model": "hosted_vllm/failing", **bridged},
    }
    return {
        "model_list": [{"model_name": name, "litellm_params": params} for name, params in models.items()],
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": key},
    }


def _llama(port: int, key: str) -> dict[str, object]:
    common = {
        "model": "tiny-llama/model.gguf",
        "n_ctx": 512,
        "n_threads": 2,
        "type_k": 0,
        "type_v": 0,
    }  # 32 bits
    models = [
        {"model_alias": "tiny-llama", "logits_all": True, **common},  # else it cannot score
        {"model_alias": "tiny-embedder", "embedding": True, **common},
    ]
    return {"host": "127.0.0.1", "port": port, "api_key": key, "models": models}


def _environment() -> dict[str, str]:
    """Ours, without what is somebody's: keys, addresses and proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith(("_api_key", "_base_url", "_proxy", "_token"))
    }
    offline = {"HF_HUB_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    return {**kept, **offline, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1,localhost"}


def _fresh(log: Path) -> Path:
    log.unlink(missing_ok=True)
    return log
