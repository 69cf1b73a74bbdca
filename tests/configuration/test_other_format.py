from collections.abc import Callable

import pytest

from gateway.configuration.other_format import with_format
from gateway.domain.isolation import Isolation
from gateway.domain.target import Target
from gateway.settings import Settings

SettingsOf = Callable[[str], Settings]
OPENAI = 'provider: openai_compatible, base_url: "https://a.example/v1"'


@pytest.fixture
def target_of(settings_of: SettingsOf) -> Callable[[str], Target]:
    return lambda text: settings_of(f"models: {{m: {{targets: [{{{text}}}]}}}}").models["m"].targets[0]


def test_its_own_format_leaves_a_target_as_it_is(target_of: Callable[[str], Target]) -> None:
    target = target_of(f"{OPENAI}, model: m, format: spotlight, format_options: {{mode: delimit}}")
    assert with_format(target, "spotlight") is target


def test_the_way_stays_and_what_is_the_formats_own_goes(target_of: Callable[[str], Target]) -> None:
    target = target_of(
        f"{OPENAI}, model: m, format: spotlight, format_options: {{mode: delimit}}, extra_params: [top_k]"
    )
    made = with_format(target, "tool-envelope")
    assert (made.base_url, made.model, made.extra_params) == (target.base_url, "m", target.extra_params)
    assert (made.format, dict(made.format_options), made.ceiling) == ("tool-envelope", {}, Isolation.CHANNEL)


def test_a_word_on_one_format_is_none_on_another(target_of: Callable[[str], Target]) -> None:
    target = target_of(f"{OPENAI}, model: m, format: secalign, trained: true, render_probe: 'off'")
    assert (target.ceiling, target.assumed) == (Isolation.NATIVE, True)
    made = with_format(target, "struq")
    assert (made.ceiling, made.assumed, made.needs_probe) == (Isolation.WRAPPED, False, False)


def test_a_model_that_is_known_to_be_trained_earns_native_after_its_probe(target_of: Callable[[str], Target]) -> None:
    made = with_format(target_of(f"{OPENAI}, model: meta-secalign-8b, format: plain"), "secalign")
    assert (made.ceiling, made.needs_probe, made.assumed) == (Isolation.NATIVE, True, False)


def test_the_embedded_model_reaches_wrapped_by_any_format(target_of: Callable[[str], Target]) -> None:
    target = target_of("provider: embedded")
    assert {with_format(target, name).ceiling for name in ("tool-envelope", "secalign")} == {Isolation.WRAPPED}
    assert with_format(target, "plain").ceiling is Isolation.NONE


def test_what_a_provider_does_not_speak_is_refused(target_of: Callable[[str], Target]) -> None:
    with pytest.raises(ValueError, match="`embedded` does not speak what `anthropic-blocks` lays out"):
        with_format(target_of("provider: embedded"), "anthropic-blocks")
