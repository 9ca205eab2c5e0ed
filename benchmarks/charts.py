"""Two charts as SVG: the whole export beside its peers and limits, and its scale."""

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from benchmarks.figures import number, times
from benchmarks.section import Section

OURS, PEER, LIMIT = "#1f6feb", "#9aa4b2", "#dfe4ea"
COLOURS = {"ours": OURS, "peer": PEER, "limit": LIMIT}
INK, FAINT = "#1c2430", "#5b6675"
_TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
MOST_TICKS = 6
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": "#c9d0d9",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "grid.color": "#e8ecf0",
    # The same numbers give the same file.
    "svg.hashsalt": "benchmarks",
}


def draw(folder: Path, sections: list[Section]) -> list[str]:
    """Draws what there is, and returns the names of the files."""
    found = {section.name: section.data for section in sections}
    figures: dict[str, Figure] = {}
    with rc_context(STYLE):
        if "compare" in found:
            figures["compare.svg"] = compare(found["compare"])
        if "scale" in found:
            figures["scale.svg"] = scale(found["scale"])
        for name, figure in figures.items():
            figure.savefig(folder / name, metadata={"Date": None})
    return list(figures)


def compare(data: dict[str, Any]) -> Figure:
    """Bars from the quickest to the slowest, each with its seconds and its ratio to ours."""
    rows = sorted(data["rows"], key=lambda row: -row["seconds"])
    ours = next(row["seconds"] for row in rows if row["name"] == data["ours"])
    figure = Figure(figsize=(9, 0.46 * len(rows) + 1.5), layout="constrained")
    axes = figure.subplots()
    _title(axes, f"Exporting {data['users']:,} users to CSV, {data['latencyMs']} ms for each page of 999")
    low, high = min(row["seconds"] for row in rows), max(row["seconds"] for row in rows)
    axes.set_xscale("log")
    axes.set_xlim(low / 2.5, high * 6)
    for at, row in enumerate(rows):
        mine = row["name"] == data["ours"]
        axes.barh(at, row["seconds"], height=0.62, color=COLOURS[row["kind"]], zorder=2)
        if row["runs"] > 1:
            axes.plot([row["low"], row["high"]], [at, at], color=INK, linewidth=1, solid_capstyle="butt", zorder=3)
        label = axes.annotate(
            _seconds(row["seconds"]),
            (row["high"], at),
            xytext=(7, 0),
            textcoords="offset points",
            va="center_baseline",
            weight="bold",
            color=OURS if row["kind"] == "ours" else INK,
        )
        ratio = "1x" if mine else times(row["seconds"] / ours)
        beside = (label, axes.transData)
        place = {"xytext": (9, 0), "textcoords": "offset points", "va": "center_baseline"}
        axes.annotate(ratio, (1, at), xycoords=beside, color=FAINT, **place)
    names = [row["name"] + (" *" if row["note"].startswith("scaled") else "") for row in rows]
    axes.set_yticks(range(len(rows)), names)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(OURS if row["kind"] == "ours" else INK)
        label.set_fontweight("bold" if row["name"] == data["ours"] else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _logarithmic(axes, "x", _seconds, axes.get_xlim())
    axes.grid(visible=True, axis="x", zorder=0)
    axes.set_xlabel(
        "time, logarithmic, and its ratio to ours; dark lines: the spread of the runs; *: scaled from some pages",
        fontsize=8.5,
    )
    keys = {"ours": "this project", "peer": "other ways", "limit": "limits: tenant or storage alone"}
    handles = [axes.barh(0, 0, color=COLOURS[kind], label=label) for kind, label in keys.items()]
    axes.legend(handles=handles, loc="upper right", frameon=False, fontsize=8.5)
    return figure


def scale(data: dict[str, Any]) -> Figure:
    """Time and memory against users, side by side."""
    sizes = data["sizes"]
    users = [size["users"] for size in sizes]
    figure = Figure(figsize=(9, 3), layout="constrained")
    time, memory = figure.subplots(1, 2)

    _title(time, f"Time grows with users to the power of {data['exponentBeyond']:.2f}")
    seconds = [size["seconds"] for size in sizes]
    time.set_yscale("log")
    # Through the largest tenant, where what is fixed weighs least.
    least = data["smallest"]["seconds"]
    linear = [least + (seconds[-1] - least) * each / users[-1] for each in users]
    label = f"{_seconds(least)} for any export, the rest in proportion"
    time.plot(users, linear, color=PEER, linewidth=1, linestyle=(0, (4, 3)), label=label)
    time.plot(users, seconds, color=OURS, linewidth=2, marker="o", markersize=6)
    time.legend(loc="lower right", frameon=False, fontsize=8.5)
    time.set_ylim(min(linear + seconds) / 2, max(seconds) * 3)
    _logarithmic(time, "y", _seconds, time.get_ylim())
    _points(time, users, seconds, [_seconds(each) for each in seconds])

    _title(memory, "Peak memory of the largest process")
    sizes_mb = [size["rss"] / 2**20 for size in sizes]
    memory.axhline(200, color=PEER, linewidth=1, linestyle=(0, (4, 3)))
    at_right = {"xytext": (0, -4), "textcoords": "offset points", "ha": "right", "va": "top"}
    memory.annotate("goal: below 200 MiB", (users[-1] * 2, 200), fontsize=8.5, color=FAINT, **at_right)
    memory.plot(users, sizes_mb, color=OURS, linewidth=2, marker="o", markersize=6)
    memory.set_ylim(0, max([*sizes_mb, 200]) * 1.25)
    memory.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} MiB"))
    _points(memory, users, sizes_mb, [f"{each:.0f} MiB" for each in sizes_mb])

    for axes in (time, memory):
        axes.set_xscale("log")
        axes.set_xlim(users[0] / 4, users[-1] * 2.2)
        axes.xaxis.set_major_locator(FixedLocator(users))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("users", fontsize=8.5)
        axes.grid(visible=True, axis="y", zorder=0)
    return figure


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=11, weight="bold", pad=12)


def _points(axes: Axes, users: list[float], values: list[float], labels: list[str]) -> None:
    for x, y, label in zip(users, values, labels, strict=True):
        axes.annotate(label, (x, y), xytext=(-7, 6), textcoords="offset points", ha="right", fontsize=9)


def _logarithmic(axes: Axes, which: str, shown: Any, limits: tuple[float, float]) -> None:
    """A few ticks at round numbers, and none between."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    ticks = [tick for tick in _TICKS if limits[0] <= tick <= limits[1]]
    if len(ticks) > MOST_TICKS:
        ticks = [tick for tick in ticks if f"{tick:g}".strip("0.") == "1"]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: shown(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _seconds(value: float) -> str:
    return f"{value:,g} s" if value in _TICKS else f"{number(value)} s"
