import pytest

from gateway.domain.jsonvalue import JsonValue
from gateway.yamlfile.problems import InvalidConfiguration
from gateway.yamlfile.source import MAX_BYTES, locate, read_source, read_unchanged


def _messages(raw: bytes) -> list[tuple[int | None, int | None, str]]:
    with pytest.raises(InvalidConfiguration) as caught:
        read_source("f.yaml", raw)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing but a comment", None),
        ("a: 1", {"a": 1}),
        ("a: -1_000", {"a": -1000}),
        ("a: 0x1F", {"a": 31}),
        ("a: 0o17", {"a": 15}),
        ("a: 010", {"a": 10}),
        ("a: 1.5e3", {"a": 1500.0}),
        ("a: true", {"a": True}),
        ("a: False", {"a": False}),
        ("a: yes", {"a": "yes"}),
        ("a: '1'", {"a": "1"}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: !!str 5", {"a": "5"}),
        ("a: [1, {b: c}]", {"a": (1, {"b": "c"})}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("7: x", {"7": "x"}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_plain_values_are_read(text: str, value: JsonValue) -> None:
    assert read_source("f.yaml", text.encode()).value == value


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: [1, 2\nb: 3", 2, 2, "is not valid YAML"),
        ("a: 1\n---\nb: 2", 2, 1, "is not valid YAML"),
        ("a: *nowhere", 1, 4, "is not valid YAML"),
        ("a: \x00", 1, 1, "is not valid YAML"),
        ("a: &x 1\nb: &x 2", 1, 1, "is not valid YAML: an anchor is defined twice"),
        ("a: 1\na: 2", 2, 1, "the key `a` stands twice"),
        ("a: {b: 1, b: 2}", 1, 11, "the key `b` stands twice"),
        ("a: &x {b: 1}\nc: {<<: *x}", 2, 5, "merge keys are not supported"),
        ("? [a]\n: b", 1, 3, "a key must be a plain word"),
        ("a: !mine x", 1, 4, "a tag is not allowed"),
        ("a: !!python/object:os.system x", 1, 4, "a tag is not allowed"),
        ("a: !mine [x]", 1, 4, "a tag is not allowed"),
        ("a: !!set {x}", 1, 4, "a tag is not allowed"),
        ("a: .nan", 1, 4, "is not a value"),
        ("a: .inf", 1, 4, "is not a value"),
        ("a: !!int x", 1, 4, "is not a value"),
        ("a: !!bool maybe", 1, 4, "is not a value"),
    ],
)
def test_other_yaml_is_refused_where_it_stands(text: str, line: int, column: int, message: str) -> None:
    ((found_line, found_column, found),) = _messages(text.encode())
    assert (found_line, found_column) == (line, column)
    assert found.startswith(message)


def test_all_problems_are_told_at_once() -> None:
    assert [line for line, _, _ in _messages(b"a: 1\na: 2\nb: !x y\nc: .nan")] == [2, 3, 4]


def test_a_text_in_another_encoding_is_refused() -> None:
    assert _messages("ä: 1".encode("latin-1")) == [(None, None, "is not UTF-8 text; save it as UTF-8")]


def test_a_huge_file_is_refused_and_the_largest_is_not() -> None:
    assert "larger than" in _messages(b"#" * (MAX_BYTES + 1))[0][2]
    assert read_source("f.yaml", b"#" * MAX_BYTES).value is None


def test_the_same_bytes_are_read_once_and_others_anew() -> None:
    first = read_unchanged("f.yaml", b"a: 1")
    assert first == read_source("f.yaml", b"a: 1")
    assert read_unchanged("f.yaml", b"a: 1") is first
    assert read_unchanged("f.yaml", b"a: 2").value == {"a": 2}
    assert read_unchanged("g.yaml", b"a: 1").file == "g.yaml"


def test_what_is_wrong_is_told_each_time_it_is_read() -> None:
    for _ in range(2):
        with pytest.raises(InvalidConfiguration, match="stands twice"):
            read_unchanged("f.yaml", b"a: 1\na: 2")


def test_of_large_files_nothing_is_kept() -> None:
    large = b"#" * 70_000
    assert read_unchanged("f.yaml", large) is not read_unchanged("f.yaml", large)


def test_aliases_cannot_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    assert "too many values" in _messages("\n".join(lines).encode())[0][2]


def test_an_alias_cannot_hold_itself() -> None:
    assert "nested too deeply" in _messages(b"a: &a [*a]")[0][2]


def test_deep_nesting_is_refused_and_sensible_nesting_is_not() -> None:
    assert _messages(b"a: " + b"[" * 40 + b"]" * 40)[0] == (1, 35, "is not valid YAML: it is nested too deeply")
    assert "nested too deeply" in _messages(b"a: " + b"[" * 100_000)[0][2]
    assert "nested too deeply" in _messages("\n".join(f"{' ' * n}a:" for n in range(100)).encode())[0][2]
    assert read_source("f.yaml", b"a: " + b"[" * 20 + b"]" * 20).keys == {("a",): (1, 1)}


def test_values_and_keys_know_their_place() -> None:
    source = read_source("f.yaml", b"a:\n  - b: 1\n    c: {d: 2}\n")
    assert source.problem(("a", 0, "c", "d"), "m").where == "f.yaml:3:12"
    assert source.problem(("a", 0, "c", "d"), "m", at_key=True).where == "f.yaml:3:9"
    assert source.problem(("a", 0), "m").where == "f.yaml:2:5"


def test_a_problem_of_what_is_not_there_points_around_it() -> None:
    source = read_source("f.yaml", b"a:\n  b: 1\n")
    assert source.problem(("a", "missing", 3), "m").where == "f.yaml:1:1"
    assert source.problem(("x",), "m").where == "f.yaml:1:1"
    assert read_source("f.yaml", b"").problem(("x",), "m").excerpt == ""


@pytest.mark.rows
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("{api_key: sk-1, model: x}", "{api_key: ****, model: x}"),
        ("{aws_access_key_id: AKIA1, model: x}", "{aws_access_key_id: *****, model: x}"),
        ("api_key: sk-1, with a comma", "api_key: ******************"),
        ('api_key: "a, b: c", model: x', "api_key: *********, model: x"),
        ("'api_key': 'a'", "'api_key': ***"),
        ("Authorization: Bearer x", "Authorization: ********"),
        ("sha256: pasted", "sha256: ******"),
        ("base_url: https://u:p@h/v1", "base_url: https://***@h/v1"),
        ("base_url: https://u:p/w@x@h/v1", "base_url: https://*******@h/v1"),
        ("api_key: env:NAME", "api_key: env:NAME"),
        ("{api_key: 'file:k', model: x}", "{api_key: 'file:k', model: x}"),
        ("keys: [x]", "keys: [x]"),
        ("{api_key: [x], model: y}", "{api_key: **************"),
        ("model: x", "model: x"),
    ],
)
def test_possible_credentials_are_starred_out_of_excerpts(line: str, shown: str) -> None:
    assert locate("f.yaml", (line,), (1, 1), "m").excerpt == shown


@pytest.mark.rows
@pytest.mark.parametrize("key", ["api_key:", "api_key: |", "api_key: >-", '"secret" :'])
def test_a_credential_on_the_next_line_is_starred_out(key: str) -> None:
    source = read_source("f.yaml", f"{key}\n  sk-1 2\n".encode())
    problem = source.problem((key.partition(":")[0].strip(' "'),), "m")
    assert problem.line in {1, 2}
    assert "sk-1" not in (problem.excerpt or "")


def test_control_characters_do_not_reach_an_excerpt() -> None:
    source = read_source("f.yaml", "a: 'x\u200by'".encode())
    assert source.problem(("a",), "m").excerpt == "a: 'x y'"
