import importlib
import subprocess
import sys

import pytest

from gateway.detectors._unused import UNUSED, left_out


def test_what_is_not_loaded_is_not_found_within_and_is_found_again_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with left_out(["colorsys", "json"]):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("colorsys")
        assert importlib.import_module("json") is sys.modules["json"]
    assert importlib.import_module("colorsys").__name__ == "colorsys"


def test_a_failure_within_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with pytest.raises(ImportError), left_out(["colorsys"]):
        raise ImportError
    assert "colorsys" not in sys.modules


@pytest.mark.parametrize("load", ["gateway.detectors._presidio", "gateway.detectors._ner_worker as it; it._model()"])
def test_no_detector_loads_what_it_does_not_use(load: str) -> None:
    code = f"import sys; import {load}; sys.exit(any(name in sys.modules for name in {UNUSED}))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=100).returncode == 0
