"""Ranges of ids to map, and how they share a map with a single id: user_namespaces(7)."""

from ..errors import Failure
from .values import UNSIGNED_32_BIT, integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .idmaps import IdMap


class Range:
    """``count`` ids from ``inner`` on in the namespace are those from ``outer`` on outside.

    A range that ``shifts`` keeps its count when it gives way to a single mapping: the block of
    ids behind it is known to be free. Any other loses its topmost id.
    """

    __slots__ = ("count", "inner", "outer", "shifts")

    def __init__(self, inner: int, outer: int, count: int, shifts: bool = False) -> None:
        self.inner = inner
        self.outer = outer
        self.count = count
        self.shifts = shifts

    def as_tuple(self) -> "tuple[int, int, int]":
        """Return what a line of uid_map says: inner, outer, count."""
        return self.inner, self.outer, self.count


def ranges_for(kind: str, value: str) -> "list[Range]":
    """Return the ranges of "uid"s or "gid"s that a value of --map-users or --map-groups stands for.

    Raises Failure, also where the machine has no such ids.
    """
    if value in ("auto", "subids"):
        from .accounts import subordinate_ids

        start, count = subordinate_ids(kind)
        inner = 0 if value == "auto" else start
        return [Range(inner, start, count, shifts=value == "auto")]
    if value == "all":
        from .accounts import mapped_ids

        return [Range(start, start, count) for start, count in mapped_ids(kind)]
    return [parse_range(value)]


def parse_range(text: str) -> Range:
    """Read ``inner:outer:count``, or ``outer,inner,count`` as it was before util-linux 2.39."""
    parts = text.split(":")
    if len(parts) != 3:
        outer_first = text.split(",")
        parts = outer_first[1::-1] + outer_first[2:]
    try:
        inner, outer, count = (integer(part, UNSIGNED_32_BIT) for part in parts)
    except (ValueError, OverflowError):
        raise Failure(("invalid mapping '%s'", text)) from None
    return Range(inner, outer, count)


def joined_ranges(id_map: "IdMap") -> "list[Range]":
    """Return the ranges to map, with the single mapping, if there is one, before them."""
    ranges = [block for block in id_map.ranges if block.count]
    if id_map.single is None:
        return ranges
    return with_single(ranges, id_map.single, id_map.caller)


def with_single(ranges: "list[Range]", single: int, caller: int) -> "list[Range]":
    """Return the ranges behind a mapping of ``single`` inside to ``caller`` outside.

    No id may be mapped twice, so each range gives way to both.
    """
    joined = [Range(single, caller, 1)]
    for block in ranges:
        joined += _give_way(block, single, caller)
    return joined


def _give_way(block: Range, single: int, caller: int) -> "list[Range]":
    """Return what is left of a range where ``single`` inside and ``caller`` outside are taken.

    The ids of the range still pair up in their order, each side skipping the id that is taken.
    """
    inner_hole = single - block.inner  # as a distance from the start of the range
    outer_hole = caller - block.outer
    count = block.count
    # A hole just behind the range costs an id too, as it does with util-linux.
    if not block.shifts and (0 <= inner_hole <= count or 0 <= outer_hole <= count):
        count -= 1
    cuts = sorted(hole for hole in (inner_hole, outer_hole) if 0 <= hole <= count)
    pieces = []
    for start, end in zip([0, *cuts], [*cuts, count]):
        inner = block.inner + start + (0 <= inner_hole <= start)
        outer = block.outer + start + (0 <= outer_hole <= start)
        pieces.append(Range(inner, outer, end - start))
    return [piece for piece in pieces if piece.count > 0]


def map_lines(ranges: "list[Range]") -> str:
    """Return the text of uid_map or gid_map: a line "inner outer count" for each range."""
    return "".join(f"{block.inner} {block.outer} {block.count}\n" for block in ranges)
