"""What a wrong shape in one place leaves to be told of the others."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.configuration.salvage import salvage
from gateway.yamlfile.problems import Problem

Problems = Callable[..., tuple[Problem, ...]]

MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"
HOLES = r"{{name: data}} or {{name: user}}, and two literal braces as \{{"
SOUND = "provider: openai_compatible, base_url: 'https://h/v1', model: m"


def told(problems: tuple[Problem, ...]) -> list[tuple[int | None, str]]:
    """Line, and the beginning of the message."""
    return [(problem.line, problem.message.partition(";")[0]) for problem in problems]


def test_meaning_is_checked_beside_a_wrong_shape(problems_of: Problems) -> None:
    text = f"""server: {{hots: x}}
keys:
  - {{name: a}}
  - {{name: b, sha256: short}}
models:
  one:
    zzz: 1
    templates: [3, "{{{{a: dat}}}}"]
    targets:
      - {{provider: 7}}
      - {{provider: embeded}}
      - {{{SOUND}, trained: yes, format: secalgn, api_key: sk-hunter2}}
  two: {{targets: [{{{SOUND}, timeouts: {{idle: x}}, headers: {{Cookie: x}}}}]}}
"""
    assert told(problems_of(text)) == [
        (1, "there is no key `hots` here"),
        (3, "give either `sha256` or `digests`"),
        (4, "`sha256` must be the SHA-256 of a key, 64 hexadecimal digits"),
        (7, "there is no key `zzz` here"),
        (8, "`models.one.templates[0]` must be a mapping of keys to values"),
        (8, "the template `template-2` cannot be used: line 1, column 1: write a hole as " + HOLES),
        (10, "`models.one.targets[0].provider` must be text"),
        (11, "the key `model` is missing here"),
        (11, "the key `base_url` is missing here"),
        (11, "no provider is called `embeded`"),
        (12, "`models.one.targets[2].trained` must be 'auto', true or false"),
        (12, "no format is called `secalgn`"),
        (12, "`api_key`: must be a reference, `env:NAME` or `file:PATH`: a key is never written into this file"),
        (13, "`models.two.targets[0].timeouts.idle` must be a number, without quotes"),
        (13, "`Cookie` carries credentials"),
    ]


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        f"server: {{host: 10.0.0.1}}\nkeys: {{}}\n{MODELS}",
        "models: {m: {targets: [{provider: openai_compatible, base_url: 7, model: m}]}}",
        f"models: {{m: {{targets: [{{{SOUND}, format: 7, format_options: {{style: encode}}}}]}}}}",
        f"models: {{m: {{targets: [{{{SOUND}, format_options: 7}}]}}}}",
        f"models: {{m: {{targets: [{{{SOUND}, headers: {{x-a: 7}}}}]}}}}",
        f"models: {{m: {{targets: [{{{SOUND}, extra_params: [7]}}]}}}}",
        "models: {m: {targets: 7}}",
        "models: {m: 7}",
        "models: 7",
        "server: 7\nmodels: {}",
        "7",
        "[7]",
        "models: {m: {templates: [{template: ''}], targets: [{provider: embedded}]}}",
    ],
)
def test_one_mistake_is_told_once(problems_of: Problems, text: str) -> None:
    assert len(problems_of(text)) == (2 if text.startswith("server: 7") else 1)


def test_a_wrong_shape_hides_nothing_of_a_sound_file(problems_of: Problems) -> None:
    text = f"zzz: 1\nserver: {{host: 10.0.0.1}}\n{MODELS}"
    assert [problem.line for problem in problems_of(text)] == [1, 2]


def test_what_cannot_be_mended_is_given_up() -> None:
    no_yaml: Any = {1: 2, "models": {"m": {"targets": ({"provider": "embedded"},)}}}
    assert salvage(no_yaml, []) is None
    wrong = {"models": {"m": {"targets": ({"provider": 7},)}}}
    assert salvage(wrong, [], rounds=1) is None
    assert salvage(wrong, [], rounds=2) is not None
    assert salvage((7,), [()]) is None
    assert salvage({"a": {"b": {"c": 1}}}, []) is not None
    assert salvage(None, []) is not None
    assert salvage("text", []) is None
