from gateway.evaluation.intervals import share
from gateway.evaluation.telling import code, fenced, plain, told


def test_a_score_is_told_with_its_interval_and_a_share_alone() -> None:
    assert told(share(4, 100)) == "4.0% (1.6 to 9.8)"
    assert told(0.8) == "80.0%"
    assert told(None) == "\u2013"


def test_words_and_names_stay_on_their_line_and_are_no_markdown() -> None:
    assert plain("a|b\\ <i>[c]\n`d`") == "a\\|b\\\\ &lt;i>\\[c\\] \\`d\\`"
    assert code("m`\n# x") == "`m # x`"


def test_no_command_ends_its_own_block() -> None:
    assert fenced("ls") == "```\nls\n```"
    assert fenced("a\n````\nb", "sh") == "`````sh\na\n````\nb\n`````"
