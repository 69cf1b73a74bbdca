from gateway.training.told import model_card


def test_what_a_file_is_called_is_no_markdown_in_the_card() -> None:
    card = model_card("Made", {"source": "a|b\n# <b>[x](y)"}, {}, "splitgate train --data 'a\n```\n<b>'")
    _, front, page = card.split("---\n", 2)
    assert front == 'source: "a|b\\n# <b>[x](y)"\n'
    assert "| source | a\\|b # &lt;b>\\[x\\](y) |" in page
    assert "````\nsplitgate train --data 'a\n```\n<b>'\n````\n" in page
