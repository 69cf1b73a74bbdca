from collections.abc import Callable, Sequence

import pytest

from gateway.activation.assemble import Engine, assemble
from gateway.activation.engine import engine
from gateway.activation.sources import PolicyFile
from gateway.domain.approval import HeldReply
from gateway.domain.isolation import Isolation
from gateway.domain.prompt import Data, Instruction, Prompt, Speaker, Trust, Turn
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target
from gateway.pipeline.in_force import InForce


@pytest.fixture
def a_target() -> Callable[..., Target]:
    def make(
        name: str = "t",
        *,
        fmt: str = "spotlight",
        ceiling: Isolation = Isolation.NATIVE,
        extra_params: frozenset[str] = frozenset(),
        needs_probe: bool = False,
        unproven: Isolation = Isolation.WRAPPED,
    ) -> Target:
        return Target(
            id=name,
            provider="openai_compatible",
            base_url="http://127.0.0.1:1/v1",
            model="m",
            format=fmt,
            family="all",
            ceiling=ceiling,
            extra_params=extra_params,
            needs_probe=needs_probe,
            unproven=unproven,
        )

    return make


@pytest.fixture
def split_prompt() -> Prompt:
    return Prompt(
        turns=(
            Turn(
                speaker=Speaker.USER,
                segments=(Instruction(id="s1", origin="user", text="Summarise.", trust=Trust.USER),),
            ),
            Turn(speaker=Speaker.INPUT, segments=(Data(id="s2", origin="email", text="Dear all"),)),
        )
    )


@pytest.fixture
def lay_out() -> Callable[[Target, Prompt, Options], tuple[Layout, Options]]:
    """A layout that reaches what the target's format is named: the label of a level, or spotlight for wrapped."""

    def make(target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
        levels = {level.label: level for level in Isolation}
        reached = levels.get(target.format, Isolation.WRAPPED) if prompt.data else None
        layout = Layout(format=target.format, endpoint=Endpoint.CHAT, body={"messages": []}, isolation=reached)
        return layout, options

    return make


class Approvals:
    """Keeps what is held in a list."""

    def __init__(self) -> None:
        self.held: list[HeldReply] = []

    async def hold(self, held: HeldReply) -> None:
        self.held.append(held)


@pytest.fixture
def approvals() -> Approvals:
    return Approvals()


def _no_client() -> None:
    raise NotImplementedError


@pytest.fixture(scope="session")
def an_engine() -> Engine:
    """The engine of a running gateway; no external classifier can be reached."""
    return engine({}, _no_client)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="session")
def policies_of(an_engine: Engine) -> Callable[..., InForce]:
    """One policy in force, of these YAML lists of rules and further keys of ``spec``."""

    def make(rules: Sequence[str] = (), spec: str = "mode: enforce") -> InForce:
        listed = "".join(f"    - {{severity: critical, message: no., {rule}}}\n" for rule in rules)
        head = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: test}}\nspec:\n  {spec}\n"
        text = head + (f"  rules:\n{listed}" if rules else "")
        return assemble([PolicyFile(file="test.yaml", raw=text.encode(), fallback=True)], an_engine).in_force

    return make
