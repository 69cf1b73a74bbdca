from collections.abc import Callable

import pytest

from gateway.yamlfile.problems import Problem

Problems = Callable[..., tuple[Problem, ...]]

KEYS = (
    "there is no key `zzz` here; the keys here are server, keys, keys_file, auth, models, limits, policies, audit, "
    "telemetry, state_dir"
)
MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("server: {hots: x}\n" + MODELS, 1, 10, "there is no key `hots` here; did you mean `host`?"),
        ("kyes: []\n" + MODELS, 1, 1, "there is no key `kyes` here; did you mean `keys`?"),
        (
            "zzz: 1\n" + MODELS,
            1,
            1,
            KEYS,
        ),
        (
            "server: {embedded: {strat: x}}\n" + MODELS,
            1,
            21,
            "there is no key `strat` here; did you mean `start`?",
        ),
        ('server: {port: "1"}\n' + MODELS, 1, 16, "`server.port` must be a whole number, without quotes"),
        ("server: {port: true}\n" + MODELS, 1, 16, "`server.port` must be a whole number, without quotes"),
        ("server: {port: 70000}\n" + MODELS, 1, 16, "`server.port` must be at most 65535"),
        ("server: {port: -1}\n" + MODELS, 1, 16, "`server.port` must be at least 0"),
        ("server: {host: 7}\n" + MODELS, 1, 16, "`server.host` must be text; put it in quotes"),
        ("server: {host: ''}\n" + MODELS, 1, 16, "`server.host` is too short; write at least 1 characters"),
        ("server: {transport: curl}\n" + MODELS, 1, 21, "`server.transport` must be 'aiohttp' or 'httpx'"),
        ("server: []\n" + MODELS, 1, 9, "`server` must be a mapping of keys to values"),
        ("keys: {}\n" + MODELS, 1, 7, "`keys` must be a list"),
        ("keys: [{sha256: a}]\n" + MODELS, 1, 8, "the key `name` is missing here; add it"),
        ("models: {}", 1, 9, "`models` must not be empty"),
        ("models: []", 1, 9, "`models` must be a mapping of keys to values"),
        ("models: {m: {targets: []}}", 1, 23, "`models.m.targets` must not be empty"),
        ("server: {port: 1}", 1, 1, "the key `models` is missing here; add it"),
        ("", 1, 1, "the key `models` is missing here; add it"),
        ("[]", 1, 1, "`the file` must be a mapping of keys to values"),
    ],
)
def test_each_fault_is_told_in_words_where_it_stands(
    problems_of: Problems, text: str, line: int, column: int, message: str
) -> None:
    (problem,) = problems_of(text)
    assert (problem.line, problem.column, problem.message) == (line, column, message)


def test_a_model_name_that_no_url_could_carry_is_refused_at_its_key(problems_of: Problems) -> None:
    (problem,) = problems_of('models:\n  "a b": {targets: [{provider: embedded}]}\n')
    assert (problem.line, problem.column) == (2, 3)
    assert "may hold letters, digits" in problem.message


def test_a_wrong_item_does_not_also_count_as_an_empty_list(problems_of: Problems) -> None:
    (problem,) = problems_of("models: {m: {targets: [{provider: 3}]}}")
    assert problem.message == "`models.m.targets[0].provider` must be text; put it in quotes"


def test_truth_values_are_named_as_the_file_writes_them(problems_of: Problems) -> None:
    (problem,) = problems_of("models: {m: {targets: [{provider: embedded, trained: yes}]}}")
    assert problem.message.endswith("must be 'auto', true or false")


def test_a_misspelt_key_in_a_template_is_found(problems_of: Problems) -> None:
    found = problems_of("models: {m: {templates: [{templat: x}, 3], targets: [{provider: embedded}]}}")
    assert [problem.message for problem in found] == [
        "the key `template` is missing here; add it",
        "there is no key `templat` here; did you mean `template`?",
        "`models.m.templates[1]` must be a mapping of keys to values",
    ]


def test_problems_come_in_the_order_of_the_file_and_the_first_one_places_the_error(problems_of: Problems) -> None:
    found = problems_of("models: {m: {targets: []}}\nserver:\n  port: x\n  hots: y\n")
    assert [(problem.line, problem.column) for problem in found] == [(1, 23), (3, 9), (4, 3)]


def test_no_value_travels_with_the_error(settings_of: Callable[..., object]) -> None:
    with pytest.raises(Exception, match="must be text") as caught:
        settings_of("models: {m: {targets: [{provider: openai_compatible, api_key: {sk: hunter2}}]}}")
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or error.__context__
