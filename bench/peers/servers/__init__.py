"""Adapters of servers: each module has a class Server; ../README.md says what one must have."""


class Absent(Exception):
    """A peer, or one of its forms, that cannot be had here; the text is the reason."""
