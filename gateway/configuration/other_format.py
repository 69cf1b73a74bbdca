"""What would a target be with another format?

The same way to the same model. What the file says of training and of probes, and what a card shows, is said of the
file's own format: another one is credited anew, by what is known of the model.
"""

from dataclasses import replace

from adapters.registry import format_named, is_trained, provider_entry
from gateway.configuration.evidence import credit
from gateway.configuration.targets import best_of
from gateway.domain.target import Target


def with_format(target: Target, name: str) -> Target:
    """``target`` with its prompts laid out by the format ``name``, at that one's default settings.

    Raises:
        ValueError: this target cannot be sent what the format lays out.
    """
    if name == target.format:
        return target
    entry, provider = format_named(name), provider_entry(target.provider)
    if not provider.speaks(name):
        raise ValueError(f"the provider `{target.provider}` does not speak what `{name}` lays out")
    settings = provider.usual(name)
    entry.check_settings(settings)
    credited = credit(
        best=best_of(target.provider, entry, shown=False),
        unproven=entry.unproven,
        known=is_trained(name, target.model),
        trained="auto",
        probe="required",
    )
    made = replace(
        target,
        format=name,
        format_options=settings,
        ceiling=credited.ceiling,
        unproven=entry.unproven,
        needs_probe=credited.needs_probe,
        assumed=credited.assumed,
        card=None,
    )
    provider.check_target(made)
    return made
