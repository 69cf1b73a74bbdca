import hashlib
from pathlib import Path

import pytest

from adapters.embedded.models import AdapterDamaged, loadable_adapter, offers_split, whole_adapter


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"numbers")
    return path


@pytest.mark.parametrize("behind", ["", "\n", "  a.gguf\n"])
def test_an_adapter_that_its_digest_is_of_is_loaded(adapter: Path, behind: str) -> None:
    adapter.with_suffix(".sha256").write_text(hashlib.sha256(b"numbers").hexdigest() + behind)
    said: list[str] = []
    assert whole_adapter(adapter) == loadable_adapter(adapter, said.append) == adapter
    assert said == []


@pytest.mark.parametrize("digest", [None, b"", b"\xff", b"  a.gguf", hashlib.sha256(b"other").hexdigest().encode()])
def test_any_other_is_told_of_and_not_loaded(adapter: Path, digest: bytes | None) -> None:
    if digest is not None:
        adapter.with_suffix(".sha256").write_bytes(digest)
    with pytest.raises(AdapterDamaged, match="install Splitgate again"):
        whole_adapter(adapter)
    said: list[str] = []
    assert loadable_adapter(adapter, said.append) is None
    assert [line.startswith("splitgate: smollm2-135m-split is not served") for line in said] == [True]


def test_one_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    assert not offers_split(tmp_path / "none.gguf")
    assert whole_adapter(tmp_path / "none.gguf") is None
