"""May this request come in at all, and which policies stand for it?"""

import hashlib

from gateway.domain.detection import Stage
from gateway.domain.errors import NotSayable
from gateway.domain.identity import Caller
from gateway.domain.request import ClientRequest
from policies.engine.applicable import Applicable
from policies.engine.ruleset import Asker, Ruleset


def admit(request: ClientRequest, caller: Caller, ruleset: Ruleset, bypass: str | None) -> Applicable:
    """The policies that stand for the request.

    Raises:
        NotSayable: it asks for log-probabilities, which would tell what a rule takes out of the answer.
    """
    asker = Asker(
        tenant=caller.tenant,
        key=caller.key,
        model=request.model,
        route=request.dialect,
        digest=bytes.fromhex(request_digest(request)) if ruleset.needs_digest else b"",
    )
    policies = ruleset.applicable(asker, bypass=bypass)
    if request.options.values.get("logprobs") and policies.edits(Stage.OUTPUT):
        raise NotSayable(
            "logprobs cannot be had under a policy that redacts answers: they would tell what was taken out; leave "
            "logprobs out",
            param="logprobs",
        )
    return policies


def request_digest(request: ClientRequest) -> str:
    """SHA-256 of what the request asks and of its content, in hexadecimal digits: who sends it is no part of it."""
    told = (request.dialect, request.model, request.messages, request.tools, request.options, request.min_isolation)
    return hashlib.sha256(repr(told).encode(errors="surrogatepass")).hexdigest()
