"""Of what sort is a credential: a key, or a token?

Told by its form alone, and apart from what reads tokens: that is loaded only where tokens are taken.
"""


def looks_like_token(credential: bytes) -> bool:
    """Whether it has a token's three parts; no key of ours has a dot."""
    return credential.count(b".") == 2
