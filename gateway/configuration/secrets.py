"""Where does a credential come from? Read in ``gateway/yamlfile/secrets.py``, for configuration and policies alike."""

from gateway.yamlfile.secrets import Surroundings, Withheld, resolve

__all__ = ["Surroundings", "Withheld", "resolve"]
