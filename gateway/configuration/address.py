"""Is the address of an upstream sound?"""

from urllib.parse import urlsplit

from gateway.domain.address import is_loopback
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.report import Report


def check_address(url: str, loc: Loc, report: Report, *, what: str = "base_url", by_socket: bool = False) -> None:
    """Tell what is wrong with ``url``, which stands at ``loc``; ``by_socket`` says that its host is never called."""
    wrong = wrong_with_url(url)
    if wrong is not None:
        report.add(loc, f"`{what}` {wrong}")
        return
    address = urlsplit(url)
    if address.scheme == "http" and not by_socket and not is_loopback(address.hostname or ""):
        report.warn(loc, "the address is http: prompts and keys cross the network unencrypted; use https")


def wrong_with_url(url: str) -> str | None:
    """What is wrong with ``url`` as the address of an API, or None."""
    if not all("!" <= char <= "~" for char in url) or "\\" in url:
        return "holds characters that no address has; percent-encode them"
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        return "is not a valid address; write https://host/v1"
    if address.scheme not in ("http", "https") or not address.hostname or port == 0:
        return "must be an http or https address, such as https://host/v1"
    if "@" in address.netloc:
        return "must not hold credentials; use `api_key: env:NAME`"
    if "?" in url or "#" in url:
        return "must not have a query or fragment"
    if address.path.rstrip("/").endswith(("/completions", "/responses", "/messages")):
        return "must end before the route: leave out `/chat/completions` or `/messages`"
    return None
