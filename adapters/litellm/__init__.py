"""Other vendors' models: litellm translates for them, in a process of its own, behind a Unix socket."""
