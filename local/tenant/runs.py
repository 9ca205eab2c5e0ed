"""Sets of users as sorted, disjoint runs of positions: `[(0, 10), (25, 30)]` is 0..9 and 25..29.

The export asks for ranges of creation times and for prefixes of UPNs, and the directory is sorted so that both are
runs: a query over a million users is answered by bisection, not by a scan.
"""

Runs = list[tuple[int, int]]


def intersect(one: Runs, other: Runs) -> Runs:
    both: Runs = []
    i = j = 0
    while i < len(one) and j < len(other):
        low, high = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if low < high:
            both.append((low, high))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return both


def union(one: Runs, other: Runs) -> Runs:
    either: Runs = []
    for low, high in sorted(one + other):
        if either and low <= either[-1][1]:
            either[-1] = (either[-1][0], max(high, either[-1][1]))
        elif low < high:
            either.append((low, high))
    return either


def complement(runs: Runs, size: int) -> Runs:
    rest: Runs = []
    at = 0
    for low, high in runs:
        if at < low:
            rest.append((at, low))
        at = high
    if at < size:
        rest.append((at, size))
    return rest
