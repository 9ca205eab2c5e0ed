"""Sets of users as sorted, disjoint runs of positions: `[(0, 10), (25, 30)]` is 0..9 and 25..29.

The export asks for ranges of creation times and for prefixes of UPNs, and the directory is sorted so that both are
runs: a query over a million users is answered by bisection, not by a scan.
"""

Runs = list[tuple[int, int]]


def intersect(left: Runs, right: Runs) -> Runs:
    found: Runs = []
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low < high:
            found.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def union(left: Runs, right: Runs) -> Runs:
    found: Runs = []
    for low, high in sorted(left + right):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        elif low < high:
            found.append((low, high))
    return found


def complement(runs: Runs, size: int) -> Runs:
    found: Runs = []
    at = 0
    for low, high in runs:
        if at < low:
            found.append((at, low))
        at = high
    if at < size:
        found.append((at, size))
    return found
