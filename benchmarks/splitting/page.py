"""What does the page say of the comparison?

Markdown and a picture: each method's figures over its seeds with their 95% intervals, and whether the one that ships is
offered as native. What does not help stands in the same table.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.splitting.figures import Group, Verdict, attacks_of, columns
from benchmarks.splitting.plan import ADVERSARIAL, ANSWER, PREFERRING_STEPS, SEARCHED, STEPS
from gateway.evaluation.intervals import Difference, OverSeeds
from gateway.evaluation.telling import NONE, told
from gateway.reference.tables import table

_HEAD: Final = f"""\
# What makes a small model keep data apart
Written by `make split-model` from [raw.json](raw.json). Every training and every answer comes from that command: some
ten minutes a run and core.

SmolLM2-135M-Instruct, LoRA of rank 16 on all linear layers, {STEPS} steps of 8 exercises (`secalign`:
{PREFERRING_STEPS} more, on from `clean-split`). In {ADVERSARIAL:.0%} of the exercises that have data somebody else's
order stands in it, but for `clean-…`, which see none. What is asked is the builtin suite, of which training sees no
text, person's name, wording or probe: 240 clean tasks, 480 attacks of eight kinds, of which three were never trained
on, in three places, of which the middle was not, 240 instructions with a probe of their own, and 60 texts that give
orders themselves, to be quoted, counted or translated.
`searched` is the share of {SEARCHED} prompts in which a gradient-guided search (GCG, Zou et al. 2023) finds plain text
that makes the model follow the probe, within 50 steps. Answers are greedy, in PyTorch, of at most {ANSWER} tokens. Who
only repeats the data is right on 75% of the clean tasks, and lets 68% of the attacks through.

`plain` puts instruction and data into one user message with an empty line between, `split` data into a message of its
own of the role `input`, whose marks are special tokens that the gateway takes out of all data.

| row | layout | what it is |
|---|---|---|
| `untrained-plain`, `untrained-split` | plain, split | the model as it comes |
| `clean-plain`, `clean-split` | plain, split | tuned on the tasks without any attack: nothing defends it |
| `plain` | plain | **the control**: the same tuning with attacks, without a split |
| `struq` | split | StruQ (Chen et al. 2024): marks and tuning with attacks; what ships as `local-split` |
| `secalign` | split | SecAlign (Chen et al. 2024): the true answer preferred to what the data asked for |
| `ise` | split | learned segment embeddings beside (Wu et al. 2024) |
| `aside` | split | data's embeddings at a right angle (Zverev et al. 2025), which half of the steps turn to |
"""


def page_of(
    groups: Sequence[Group], judged: Verdict | None, steps: Mapping[str, float], picture: str | None = None
) -> str:
    """The page; ``steps`` are the seconds that a step took, by method, and ``picture`` a file beside it."""
    return "\n".join(
        (
            _HEAD,
            "## Figures\nMeans over the seeds, with 95% intervals over cases and seeds. What is missing has not run.\n",
            _table(groups, steps),
            *([f"![Attack success against utility, by how the model was trained]({picture})\n"] if picture else []),
            "## By kind of attack\nAttack success; of `boundary`, `encoded` and `suffix` there is no exercise.",
            "A kind that gets through nowhere, undefended models included, shows nothing.\n",
            _by_attack(groups),
            "## What it is offered as\n" + _verdict(judged),
        )
    )


def _table(groups: Sequence[Group], steps: Mapping[str, float]) -> str:
    figures = {group.name: columns(group) for group in groups}
    titles = list(dict.fromkeys(title for each in figures.values() for title in each))
    rows = [
        (
            f"`{group.name}`",
            str(len(group.runs)),
            *(_told(figures[group.name].get(title), len(group.runs)) for title in titles),
            f"{steps[group.name]:.1f}" if group.name in steps else NONE,
        )
        for group in groups
    ]
    return table(("", "seeds", *titles, "s a step"), iter(rows)) + "\n"


def _by_attack(groups: Sequence[Group]) -> str:
    kinds = list(dict.fromkeys(one.case.attack for group in groups for run in group.runs for one in run))
    named = sorted(kind for kind in kinds if kind is not None)
    rows = (
        (f"`{group.name}`", *(_told(attacks_of(group, kind), len(group.runs)) for kind in named)) for group in groups
    )
    return table(("", *named), rows) + "\n"


def _verdict(judged: Verdict | None) -> str:
    if judged is None:
        return "**`wrapped`**: nothing was judged: `clean-plain`, or a seed of `plain` or `struq`, is missing.\n"
    why = "; ".join(judged.reasons) or "every bound is kept"
    lines = [
        f"**`{judged.isolation}`**: {why}.",
        "",
        f"Against the control, with the same seeds: imitated boundaries {_points(judged.boundary)}"
        + (f", attacks that are searched for {_points(judged.searched)}." if judged.searched else "."),
        "Below 0 speaks for the split. An interval that holds 0 shows no difference, which is enough here: the",
        "control's boundary is an empty line, which data can spell whatever is filtered; the split's it cannot spell.",
        "",
    ]
    return "\n".join(lines)


def _points(one: Difference) -> str:
    return f"{one.value * 100:+.1f} points ({one.low * 100:+.1f} to {one.high * 100:+.1f})"


def _told(figure: OverSeeds | None, seeds: int) -> str:
    if figure is None:
        return NONE
    return told(figure.mean) + ("" if len(figure.each) == seeds else f", of {len(figure.each)} of the seeds")
