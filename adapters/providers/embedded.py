"""How is the embedded model reached?

Its child process speaks OpenAI's protocol on the target's Unix socket; the target's base URL only fills the request's
head.
"""

from adapters.providers._openai import OpenAiProvider
from gateway.domain.ports import Provider, UpstreamClient


def create(client: UpstreamClient) -> Provider:
    """A provider that sends over ``client`` to the target's Unix socket."""
    return OpenAiProvider(client, by_socket="the embedded model")
