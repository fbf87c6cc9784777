"""The samples as a table, as JSON, and held against the goals."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from measure import Sample
    from works import Work

MIB = 1024 * 1024


@dataclass
class Series:
    """All rounds of one peer with one work in one direction."""

    peer: str
    work: str
    direction: str
    durable: str
    samples: dict[int, Sample] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def median(self) -> float:
        """Return the median of the wall times."""
        return statistics.median(s.seconds for s in self.samples.values())

    def ratio(self, base: Series | None) -> float | None:
        """Return how many times the base's time this takes: the median of the ratios within each round."""
        if base is None:
            return None
        both = self.samples.keys() & base.samples.keys()
        ratios = [self.samples[n].seconds / base.samples[n].seconds for n in both]
        return statistics.median(ratios) if ratios else None

    def peak(self, end: str) -> float | None:
        """Return the largest peak memory of the client or the server, in MiB."""
        found = [getattr(s, f"{end}_rss") for s in self.samples.values()]
        known = [value for value in found if value]  # 0: too short to be seen
        return max(known) / MIB if known else None

    def cpu(self, end: str) -> float | None:
        """Return the median CPU seconds of the client or the server."""
        found = [getattr(s, f"{end}_cpu") for s in self.samples.values()]
        known = [value for value in found if value is not None]
        return statistics.median(known) if known else None

    def cpu_of_both(self) -> float | None:
        """Return the median CPU seconds of both ends together."""
        both = [s.client_cpu + s.server_cpu for s in self.samples.values() if s.server_cpu is not None]
        return statistics.median(both) if both else None


Results = dict[tuple[str, str, str], Series]
"""By work, direction and peer."""


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def table(results: Results, works: list[Work], baseline: str) -> str:
    """Return the table, a block for each work and direction, the fastest first."""
    head = (
        "peer",
        "median s",
        "min – max",
        f"× {baseline}",
        *("RSS c", "RSS s", "CPU c", "CPU s"),
        "durable",
    )
    lines = []
    for work in works:
        for direction in ("up", "down"):
            found = [s for (w, d, _), s in results.items() if (w, d) == (work.name, direction)]
            done = sorted((s for s in found if s.samples), key=Series.median)
            if not found:
                continue
            base = next((s for s in done if s.peer == baseline), None)
            rows: list[tuple[str, ...]] = [head]
            for series in done:
                times = [s.seconds for s in series.samples.values()]
                rows.append(
                    (
                        series.peer,
                        f"{series.median():.3f}",
                        f"{min(times):.3f} – {max(times):.3f}",
                        _cell(series.ratio(base), ".2f"),
                        *(_cell(series.peak(end), ".0f") for end in ("client", "server")),
                        *(_cell(series.cpu(end), ".2f") for end in ("client", "server")),
                        series.durable if direction == "up" else "",
                    )
                )
            widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
            lines.append(f"\n{work.name} {direction}: {work}")
            for row in rows:
                first, *rest = (
                    cell.ljust(w) if n in (0, 8) else cell.rjust(w)
                    for n, (cell, w) in enumerate(zip(row, widths, strict=True))
                )
                lines.append("  ".join((first, *rest)).rstrip())
            lines += [f"FAULT  {s.peer}: {fault}" for s in found for fault in s.faults]
    return "\n".join(lines).lstrip("\n")


@dataclass(frozen=True)
class Goal:
    """A number that Longshore is held against."""

    text: str
    value: float | None
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Say whether it is met; nothing when it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        """Say it in one line."""
        word = {True: "met", False: "MISSED", None: "not measured"}[self.met]
        sign = "≥" if self.at_least else "≤"
        return f"{word:12}  {self.text}: {_cell(self.value, '.2f')} ({sign} {self.limit:g})"


NO_NETWORK = ("cp", "write-sync")
FLOOR = "hyper"
OURS = "longshore"


def goals(results: Results, link: str) -> list[Goal]:
    """Hold Longshore's numbers against its goals on a network of this kind."""

    def rivals(work: str, way: str) -> list[Series]:
        found = [s for (w, d, _), s in results.items() if (w, d) == (work, way) and s.samples]
        return [s for s in found if s.peer not in (OURS, FLOOR, *NO_NETWORK)]

    def best(work: str, way: str) -> Series | None:
        return min(rivals(work, way), key=Series.median, default=None)

    def over(work: str, way: str, base: Series | None) -> float | None:
        series = results.get((work, way, OURS))
        return series.ratio(base) if series and series.samples else None

    def named(base: Series | None) -> str:
        return f" ({base.peer})" if base else ""

    found = []
    for way in ("up", "down"):
        if link != "direct":
            base = best("small", way)
            ours = over("small", way, base)
            text = f"small {way}, times faster than the best peer{named(base)}"
            found.append(Goal(text, 1 / ours if ours else None, 3, at_least=True))
            continue
        for work in ("medium", "small"):
            nginx = results.get((work, way, "nginx"))
            found.append(Goal(f"{work} {way}, time over nginx's with curl", over(work, way, nginx), 1))
            python, own = (results.get((work, way, peer)) for peer in ("python", OURS))
            times = python.ratio(own) if python and python.samples else None
            found.append(Goal(f"{work} {way}, times faster than python", times, 10, at_least=True))
        base = best("big", way)
        found.append(
            Goal(f"big {way}, time over the fastest peer's{named(base)}", over("big", way, base), 1.1)
        )
        longshore, both = results.get(("big", way, OURS)), None
        if longshore and base and (cpu := longshore.cpu_of_both()) and (theirs := base.cpu_of_both()):
            both = cpu / theirs
        found.append(Goal(f"big {way}, CPU of both ends over the fastest peer's{named(base)}", both, 1.3))
    for work, limit in (("big", 64), ("huge", 64), ("many", 128)):
        for way in ("up", "down"):
            for end in ("client", "server"):
                series = results.get((work, way, OURS))
                peak = series.peak(end) if series and series.samples else None
                if peak or work == "big":
                    found.append(Goal(f"{work} {way}, MiB of memory of the {end}", peak, limit))
    return found


def as_json(results: Results, baseline: str) -> list[dict[str, Any]]:
    """Return every series with its samples and what the table says of it."""
    rows = []
    for (work, direction, peer), series in results.items():
        base = results.get((work, direction, baseline))
        rows.append(
            {
                "work": work,
                "direction": direction,
                "peer": peer,
                "durable": series.durable,
                "median_seconds": series.median() if series.samples else None,
                "ratio": series.ratio(base),
                "client_peak_mib": series.peak("client"),
                "server_peak_mib": series.peak("server"),
                "client_cpu_seconds": series.cpu("client"),
                "server_cpu_seconds": series.cpu("server"),
                "faults": series.faults,
                "rounds": {n: asdict(sample) for n, sample in series.samples.items()},
            }
        )
    return rows
