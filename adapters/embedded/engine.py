"""How is llama.cpp run?

The only file that imports xllamacpp: its typing gaps stay here. The library starts an HTTP server of its own whatever
one does, by default on a TCP port that any local user or web page could reach without a key; here it gets a Unix socket
in a private directory. That server is also what we talk to: it gives proper status codes and, unlike the library's
``handle_*`` methods, stops an answer that is not streamed when its reader goes away.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import xllamacpp

from adapters.embedded.models import PLAIN

_MOST_THREADS = 8  # the model is too small to gain from more


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """``slots`` answers are generated at once; each may use ``context`` tokens, prompt and answer together.

    ``answer`` limits a request that sets no limit itself: small models do not always find an end. ``forgets`` has each
    prompt read from its first token on: how much of it another one had in common shows in its usage and its time.
    """

    context: int = 4096
    slots: int = 2
    answer: int = 1024
    threads: int = 0  # 0: one for every second core that this process may use
    forgets: bool = False


class EngineFailed(Exception):
    """The model cannot be loaded; the message says what to do."""


class Engine:
    """A loaded model, served by llama.cpp on ``socket_path`` until ``close``.

    ``adapter`` is loaded beside the weights, and applied to requests that ask for it by number alone.
    """

    def __init__(self, model: Path, socket_path: str, settings: EngineSettings, *, adapter: Path | None = None) -> None:
        parameters = _parameters(model, socket_path, settings)
        if adapter is not None:
            # The scale is what requests get that say nothing of it: none of the adapter. ``lora_init_without_apply``
            # would not do: with that such requests get all of it.
            parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 0.0)]
        try:
            self._server = xllamacpp.Server(parameters)
        except (RuntimeError, ValueError) as exc:
            raise EngineFailed(
                f"the embedded model cannot be loaded from {model}: delete the cached file, or run `make setup` again"
            ) from exc

    def close(self) -> None:
        """Stop generating and free the model; takes some 50 ms."""
        del self._server


def _parameters(model: Path, socket_path: str, settings: EngineSettings) -> "xllamacpp.CommonParams":
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {PLAIN}
    parameters.hostnames = [socket_path]
    parameters.verbosity = -1  # nothing: from 0 on prompts can appear in the log
    parameters.ui = False
    parameters.endpoint_slots = False  # it would show other requests' prompts
    parameters.endpoint_metrics = True  # counters, for the watchdog
    parameters.n_ctx = settings.context * settings.slots
    parameters.n_parallel = settings.slots
    parameters.n_predict = settings.answer
    # Vectors beside answers: that of a text's last token, which has seen all of it, and lets a text be read in pieces.
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    parameters.cache_prompt = not settings.forgets
    parameters.cache_ram_mib = 0  # by default up to 8 GiB of old prompts
    threads = settings.threads or min(max(1, _cores() // 2), _MOST_THREADS)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    # What the model's authors recommend, for requests that do not say.
    parameters.sampling.temp = 0.2
    parameters.sampling.top_p = 0.9
    return parameters


def _cores() -> int:
    """Cores that this process may really use.

    Half of them get a thread: llama.cpp's threads wait for each other after every operation, so that one that has to
    share its core with the gateway makes all of them twenty times slower (measured), while one fewer costs a fifth.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))  # "max" is no number: no limit
    return cores
