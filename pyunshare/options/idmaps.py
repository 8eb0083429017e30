"""What is asked of the id maps of a user namespace, see user_namespaces(7)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ranges import Range


class IdMap:
    """What was asked of one of the two id maps of a user namespace, see user_namespaces(7).

    ``kind`` is "uid" or "gid", ``caller`` is the effective id at the start, ``single`` the id
    that is to be the caller's inside, ``ranges`` are those asked for, in order, and ``owner``
    is the id that is to own the namespace.
    """

    def __init__(self, kind: str, caller: int) -> None:
        self.kind = kind
        self.caller = caller
        self.single: int | None = None
        self.ranges: list[Range] = []
        self.owner: int | None = None

    @property
    def needs_mapper(self) -> bool:
        """Whether there is more to map than a process in the namespace may map by itself."""
        if self.single is None:
            return any(block.count for block in self.ranges)
        return bool(self.ranges) or self.owner is not None

    @property
    def is_single(self) -> bool:
        """Whether the single mapping is the whole map."""
        return self.single is not None and not self.needs_mapper
