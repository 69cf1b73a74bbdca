import pytest

from gateway.access.sort import looks_like_token


@pytest.mark.rows
@pytest.mark.parametrize(
    ("credential", "looks"),
    [(b"a.b.c", True), (b"..", True), (b"a.b", False), (b"a.b.c.d.e", False), (b"sg-1a2b3c4d-x_y-z", False)],
)
def test_a_token_has_three_parts(credential: bytes, looks: bool) -> None:
    assert looks_like_token(credential) is looks
