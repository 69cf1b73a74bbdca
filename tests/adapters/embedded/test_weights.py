import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from adapters.embedded.models import PLAIN
from adapters.embedded.weights import ConversionFailed, best, cache_directory, original, prepare
from adapters.formats._families import FAMILIES, family_for


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A very small model in the same form as the real one."""
    path = tmp_path / "Tiny.Q4_1.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
    writer.add_context_length(128)
    writer.add_chat_template("{{ messages }}")
    writer.add_token_list(["a", "b", "ä"])
    values = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    writer.add_tensor("norm", np.linspace(0, 1, 64, dtype=np.float32))
    for name, kind in (("four", gguf.GGMLQuantizationType.Q4_1), ("eight", gguf.GGMLQuantizationType.Q8_0)):
        writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(path: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def metadata(path: Path) -> dict[str, object]:
    fields = gguf.GGUFReader(path).fields
    return {name: field.contents() for name, field in fields.items() if not name.startswith("GGUF.")}


def test_quantised_tensors_become_f16_of_the_same_values_and_f32_ones_stay(source: Path, tmp_path: Path) -> None:
    before, after = tensors(source), tensors(prepare(source, tmp_path / "cache"))
    assert {name: tensor.tensor_type.name for name, tensor in after.items()} == {
        "norm": "F32",
        "four": "F16",
        "eight": "F16",
    }
    assert np.array_equal(before["norm"].data, after["norm"].data)
    for name in ("four", "eight"):
        expected = gguf.dequantize(before[name].data, before[name].tensor_type).astype(np.float16)
        assert np.array_equal(expected, after[name].data)


def test_metadata_is_kept_except_for_the_file_type(source: Path, tmp_path: Path) -> None:
    before, after = metadata(source), metadata(prepare(source, tmp_path / "cache"))
    assert after.pop("general.file_type") == gguf.LlamaFileType.MOSTLY_F16
    del before["general.file_type"]
    assert after == before


def test_a_whole_file_in_the_cache_is_used_as_it_is(source: Path, tmp_path: Path) -> None:
    first = prepare(source, tmp_path / "cache")
    inode = first.stat().st_ino
    assert prepare(source, tmp_path / "cache") == first
    assert first.stat().st_ino == inode


@pytest.mark.parametrize("damage", ["cut", "no digest"])
def test_a_damaged_file_in_the_cache_is_made_again(source: Path, tmp_path: Path, damage: str) -> None:
    path = prepare(source, tmp_path / "cache")
    good = path.read_bytes()
    if damage == "cut":
        path.write_bytes(good[:-1])
    else:
        path.with_name(f"{path.name}.sha256").unlink()
    assert prepare(source, tmp_path / "cache").read_bytes() == good


def test_other_weights_of_the_same_name_get_a_file_of_their_own(source: Path, tmp_path: Path) -> None:
    first = prepare(source, tmp_path / "cache")
    with source.open("ab") as file:
        file.write(bytes(32))
    assert prepare(source, tmp_path / "cache") != first


def test_the_cache_is_private_and_holds_no_half_made_file(source: Path, tmp_path: Path) -> None:
    path = prepare(source, tmp_path / "cache")
    assert path.parent.stat().st_mode & 0o077 == 0
    assert sorted(entry.suffix for entry in path.parent.iterdir()) == [".gguf", ".lock", ".sha256"]


def test_two_processes_at_once_make_one_file_and_both_get_it(source: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from adapters.embedded.weights import prepare\n"
        "path = prepare(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])); print(path, path.stat().st_ino)"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert len(answers) == 1
    assert answers != {b""}


def test_a_cache_that_cannot_be_written_is_told(source: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ConversionFailed, match="cannot be prepared in"):
        prepare(source, blocked / "cache")


def test_a_source_that_is_no_gguf_file_is_told_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    source = tmp_path / "broken.gguf"
    source.write_bytes(b"not a model" * 100)
    with pytest.raises(ConversionFailed):
        prepare(source, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.part"))


def test_the_cache_directory_follows_the_environment() -> None:
    assert cache_directory({"SPLITGATE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_directory({"XDG_CACHE_HOME": "/b"}) == Path("/b/splitgate")
    assert cache_directory({}) == Path.home() / ".cache/splitgate"


@pytest.mark.embedded
def test_without_a_cache_the_installed_weights_serve_and_this_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert best({"SPLITGATE_CACHE": str(blocked / "cache")}) == original()
    assert "set SPLITGATE_CACHE to a writable directory" in capsys.readouterr().err


@pytest.mark.embedded
def test_the_prepare_command_prints_the_file_to_be_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "adapters.embedded.prepare"], capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == best(os.environ)


# GGUF's numbers by their types, which come before each value.
NUMBERS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}


def quickly(path: Path) -> dict[str, Any]:
    """The metadata of a file: gguf's reader takes seconds for a hundred thousand tokens and merges."""
    with path.open("rb") as file:

        def number(code: str) -> Any:
            return struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))[0]

        def read(kind: int) -> Any:
            if kind == gguf.GGUFValueType.STRING:
                return file.read(number("Q")).decode()
            if kind == gguf.GGUFValueType.ARRAY:
                held, count = number("I"), number("Q")
                return [read(held) for _ in range(count)]
            return number(NUMBERS[kind])

        assert file.read(4) == b"GGUF"
        _version, _tensors, count = number("I"), number("Q"), number("Q")
        return {read(gguf.GGUFValueType.STRING): read(number("I")) for _ in range(count)}


def test_the_quick_reader_reads_as_ggufs_own_does(source: Path) -> None:
    assert quickly(source) == metadata(source)


def test_no_token_with_a_meaning_of_its_own_stays_in_data() -> None:
    fields = quickly(original())
    tokens, kinds = (fields[f"tokenizer.ggml.{name}"] for name in ("tokens", "token_type"))
    special = {token for token, kind in zip(tokens, kinds, strict=True) if kind != gguf.TokenType.NORMAL}
    assert {"<|im_start|>", "<filename>"} <= special <= set(FAMILIES[family_for(PLAIN)])
