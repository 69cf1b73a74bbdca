from gateway.dialects._anthropic_messages_blocks import _READERS as _BLOCKS  # pyright: ignore[reportPrivateUsage]
from gateway.dialects._anthropic_messages_read import _READERS as _TURNS  # pyright: ignore[reportPrivateUsage]
from gateway.dialects._anthropic_messages_said import _READERS as _SAID  # pyright: ignore[reportPrivateUsage]
from gateway.dialects._openai_chat_parts import _READERS, PARTS  # pyright: ignore[reportPrivateUsage]
from gateway.dialects._openai_chat_read import _READERS as _ROLES  # pyright: ignore[reportPrivateUsage]
from gateway.dialects._openai_responses_items import _READERS as _ITEMS  # pyright: ignore[reportPrivateUsage]
from gateway.dialects._openai_responses_items import _ROLES as _SPEAKERS  # pyright: ignore[reportPrivateUsage]
from gateway.dialects._openai_responses_parts import _READERS as _CONTENT  # pyright: ignore[reportPrivateUsage]
from gateway.reference.lifted import CASES, ITEMS, MESSAGES_CASES, lifted, lifted_items, messages_lifted

ROWS = lifted().split("\n")[2:]
ITEM_ROWS = lifted_items().split("\n")[2:]
MESSAGES_ROWS = messages_lifted().split("\n")[2:]


def test_every_role_and_every_part_has_a_row() -> None:
    said = " ".join(case for case, _, _ in CASES)
    assert not [role for role in _ROLES if f"`{role}`" not in said]
    assert not [part for part in _READERS if f"`{part}`" not in said]


def test_every_role_and_every_block_of_a_message_has_a_row() -> None:
    said = " ".join(case for case, _, _ in MESSAGES_CASES)
    assert not [name for name in (*_TURNS, *_BLOCKS, *_SAID, "tool_result") if f"`{name}`" not in said]


def test_the_operator_and_the_user_alone_give_instructions_in_messages() -> None:
    instructions = [row.split(" | ")[0] for row in MESSAGES_ROWS if " | instruction | " in row]
    assert [row.split(":")[0].split(",")[0] for row in instructions] == [
        "| `system`",
        "| role `user`",
        "| role `system`",
    ]
    history = [row for row in MESSAGES_ROWS if ", as history | none | " in row]
    assert len(history) == 3
    data = [row for row in MESSAGES_ROWS if "**data**" in row and " | untrusted | " in row]
    assert len(data) + len(instructions) + len(history) == len(MESSAGES_ROWS)


def test_the_assistant_alone_may_hold_no_data_part() -> None:
    assert [role.value for role, parts in PARTS.items() if "data" not in parts] == ["assistant"]


def test_system_developer_and_user_alone_are_instructions() -> None:
    instructions = [row.split(" | ")[0] for row in ROWS if " | instruction | " in row]
    assert instructions == ["| role `system`", "| role `developer`", "| role `user`"]


def test_data_is_untrusted_whatever_it_came_in() -> None:
    data = [row for row in ROWS if "**data**" in row]
    assert len(data) == len(ROWS) - 5
    assert all(" | untrusted | " in row for row in data)


def test_every_item_role_and_part_of_the_responses_api_has_a_row() -> None:
    said = " ".join(case for case, _, _ in ITEMS)
    # Reasoning comes with an answer, and is told of beside the table.
    assert {kind for kind in (*_ITEMS, *_SPEAKERS, *_CONTENT) if f"`{kind}`" not in said} == {"reasoning"}


def test_instructions_of_the_responses_api_are_those_of_the_same_roles() -> None:
    instructions = [row.split(" | ")[0] for row in ITEM_ROWS if " | instruction | " in row]
    assert instructions == [
        "| `instructions`",
        "| `input` as a text, role `user`",
        "| role `system`",
        "| role `developer`",
    ]
    assert all(" | untrusted | " in row for row in ITEM_ROWS if "**data**" in row)
    assert len([row for row in ITEM_ROWS if "**data**" in row]) == len(ITEM_ROWS) - 6
