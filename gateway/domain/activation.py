"""What does a worker say of the policies that it enforces?"""

from typing import Literal, TypeAlias

from gateway.domain.value import value

Source: TypeAlias = Literal["files", "last_known_good"]


@value
class ActivePolicy:
    """One policy in force; ``digest`` is the SHA-256 of its file. The ``fallback`` stands where no other one matches.

    A fallback that is not ``listed`` does nothing else.
    """

    name: str
    file: str
    mode: str
    digest: str
    fallback: bool
    listed: bool


@value
class PolicyState:
    """What is in force in one worker, and what last went wrong. Times are seconds since the epoch.

    Without ``revision`` nothing is in force. ``last_error`` stands for as long as the files cannot be put in force;
    it names files, lines and rules, and holds no prompt text. ``source`` says whether what is in force was read from
    the files, or from the copy of what was last in force.
    """

    revision: str | None = None
    policies: tuple[ActivePolicy, ...] = ()
    activated_at: float | None = None
    source: Source | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    warnings: tuple[str, ...] = ()
    # Since the worker started.
    activations: int = 0
    failures: int = 0


@value
class Grant:
    """Policies are recorded and not enforced until ``expires``. Times are seconds since the epoch."""

    id: str
    reason: str
    granted_by: str
    granted_at: float
    expires: float


@value
class GlassState:
    """The break-glass grant in force, if there is one, and what this worker has counted since it started.

    ``grants`` and ``ends`` count what this worker saw, wherever it was made; ``refused`` counts grants that were not
    believed; ``requests`` those that ran under a grant.
    """

    grant: Grant | None = None
    grants: int = 0
    ends: int = 0
    refused: int = 0
    requests: int = 0
