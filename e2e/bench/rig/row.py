"""What a row of the benchmark is: its sides, what is fixed for all of them, what is measured, and how a measurement becomes a line."""

from dataclasses import dataclass, field
from typing import Callable

from rig import arithmetic
from rig.arithmetic import LOWER
from rig.brokers import APACHE, BARNABAS, FLOOR, SYNCING_FLOOR, is_floor

# A generator that uses more than this of a core says more of itself than of the broker.
CLIENT_BOUND_FRACTION = 0.70


@dataclass(frozen=True)
class Side:
    """One of the brokers of a row under one durability policy. Ours is divided by `against`, and shown beside `floor`."""

    name: str
    kind: str
    configs: dict = field(default_factory=dict)
    against: str | None = None
    floor: str | None = None


# The policies. Ours under fsync acknowledges what is synced; under replicated what is written, as Apache Kafka does by default.
OURS_FSYNC = Side("ours fsync", BARNABAS, {"barnabas.durability": "fsync"}, "kafka", "floor sync")
OURS_REPLICATED = Side("ours replicated", BARNABAS, {"barnabas.durability": "replicated"}, "kafka", "floor")
KAFKA = Side("kafka", APACHE)
KAFKA_FLUSHING = Side("kafka flush=1", APACHE, {"flush.messages": 1})
PLAIN_FLOOR = Side("floor", FLOOR)
SYNC_FLOOR = Side("floor sync", SYNCING_FLOOR)
BOTH_POLICIES = (OURS_FSYNC, OURS_REPLICATED, KAFKA, SYNC_FLOOR, PLAIN_FLOOR)
# Where durability plays no part: nothing is acknowledged, or nothing is written.
ONE_POLICY = (Side("ours", BARNABAS, {}, "kafka"), KAFKA)


@dataclass(frozen=True)
class Metric:
    """One figure of a row. `aim` bounds the ratio ours/Kafka, `limit` our own figure."""

    key: str
    title: str
    unit: str
    better: str = LOWER
    aim: float | None = None
    limit: float | None = None

    @property
    def is_cost(self):
        """Whether it is CPU for a unit of work, which is the same however much of it the generator could give."""
        return self.key.startswith(("cpu_", "user_", "system_"))


@dataclass
class Measured:
    """One timed run of one side."""

    values: dict
    generator_fraction: float = 0.0
    details: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """`measure(rig, side)` is one timed run and answers Measured; `fixed` is printed above the figures; `finish(rig)` takes
    away what the runs left for each other. `headings` names what is divided by what; `costs_stand` keeps ratios of costs where the
    generator was the limit; `disk_gib` is what must be free before anything is measured."""

    name: str
    title: str
    metrics: tuple
    measure: Callable
    fixed: dict = field(default_factory=dict)
    sides: tuple = BOTH_POLICIES
    pairs: int | None = None
    finish: Callable | None = None
    headings: tuple = ("ours", "kafka")
    costs_stand: bool = False
    disk_gib: int = 8

    @property
    def floors_alone(self):
        """Whether it compares floors with each other; then there is neither an aim nor a floor beside them."""
        return all(is_floor(side.kind) for side in self.sides)


@dataclass(frozen=True)
class LaterRow:
    """A row whose place is kept: what it will come with."""

    disk_gib = 0

    name: str
    title: str
    comes_with: str


@dataclass
class Line:
    """One metric of one of our sides: what is printed and kept."""

    metric: Metric
    side: str
    ours: float | None
    ours_worst: float | None
    kafka: float | None
    ratio: float | None
    ratio_worst: float | None
    floor: float | None
    over_floor: float | None
    client_bound: bool

    @property
    def verdict(self):
        if self.client_bound:
            return "client-bound"
        if self.metric.limit is not None and self.ours is not None:
            return "reached" if arithmetic.reached(self.ours, self.metric.limit, self.metric.better) else "MISSED"
        held = arithmetic.reached(self.ratio, self.metric.aim, self.metric.better)
        return "" if held is None else "reached" if held else "MISSED"


def lines_of(row, runs):
    """`runs` maps the name of a side to what its pairs measured, in order."""
    lines = []
    for side in row.sides:
        if side.name not in runs or side.against is None:
            continue
        theirs = runs.get(side.against, [])
        # The floor is the limit, no rival: its generator may well be the slower of the two.
        bound = any(run.generator_fraction > CLIENT_BOUND_FRACTION for run in [*runs[side.name], *theirs])
        lines += [line_of(metric, side, runs, theirs, bound and not (row.costs_stand and metric.is_cost)) for metric in row.metrics]
    return [line for line in lines if line.ours is not None or line.kafka is not None]


def line_of(metric, side, runs, theirs, bound):
    ours = [run.values.get(metric.key) for run in runs[side.name]]
    others = [run.values.get(metric.key) for run in theirs]
    pairs = [] if bound else arithmetic.ratios(ours, others)
    floor = arithmetic.median([run.values.get(metric.key) for run in runs.get(side.floor, [])])
    ours_median = arithmetic.median(ours)
    return Line(
        metric=metric,
        side=side.name,
        ours=ours_median,
        ours_worst=arithmetic.worst(ours, metric.better),
        kafka=arithmetic.median(others),
        ratio=arithmetic.median(pairs),
        ratio_worst=arithmetic.worst(pairs, metric.better),
        floor=floor,
        over_floor=None if bound else arithmetic.ratio(ours_median, floor),
        client_bound=bound,
    )
