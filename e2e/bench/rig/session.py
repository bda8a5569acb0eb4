"""One run of the benchmark: row after row, pair after pair, what was measured and what failed. A row that fails does not end the run."""

import datetime
import json
import subprocess
import time
import traceback

from rig import machine, table
from rig.brokers import APACHE, BARNABAS, Fleet, is_floor
from rig.row import LaterRow, lines_of
from under_test import artifacts

ROW_LIMIT_SECONDS = 180
RUN_LIMIT_SECONDS = 45 * 60
VARIANTS_LIMIT_SECONDS = 15 * 60


class Rig:
    """What a row has to work with: brokers, memory, sizes, and a voice."""

    def __init__(self, home, options, warm_up):
        self.home, self.quick, self.options = home, options.quick, options
        self.pool = machine.Pool()
        self.fleet = Fleet(home, lambda broker: warm_up(self, broker), self.say)
        self.memory = {}

    @property
    def measured_seconds(self):
        return 1 if self.quick else 5 if self.options.variants is None else 3

    @property
    def run_in_seconds(self):
        """What each run of the generator leaves out of its figures at its beginning."""
        return 0.5 if self.quick else 2 if self.options.variants is None else 1

    def sized(self, full, quick):
        """A size: what a real run takes, or what shows that the row works."""
        return quick if self.quick else full

    def say(self, text):
        print(f"  {text}", flush=True)

    def warm_memory(self, wanted_bytes):
        """Holds touched memory for what the coming run writes; `with rig.pool.feeding()` gives it back as it goes on."""
        self.memory = self.pool.warm(wanted_bytes if not self.quick else min(wanted_bytes, 256 << 20))
        return self.memory


class Session:
    def __init__(self, rig, rows, pairs, kinds):
        self.rig, self.rows, self.pairs, self.kinds = rig, rows, pairs, kinds
        self.results, self.failures = [], []
        self.started = time.monotonic()
        self.begun_at = datetime.datetime.now(datetime.timezone.utc)

    def run(self):
        for row in self.rows:
            print(table.head_text(row) if not isinstance(row, LaterRow) else f"\n{row.name}: {row.title}", flush=True)
            if isinstance(row, LaterRow):
                print(f"  not measured: comes with {row.comes_with}")
                self.results.append({"name": row.name, "title": row.title, "comes_with": row.comes_with})
                continue
            began = time.monotonic()
            try:
                self.one(row, began)
            except Exception as error:  # whatever it is, the other rows are still worth having
                self.failures.append(row.name)
                print(f"  FAILED: {type(error).__name__}: {error}", flush=True)
                if self.rig.options.verbose:
                    traceback.print_exc()
                self.results.append({"name": row.name, "title": row.title, "failed": f"{type(error).__name__}: {error}"[:2000]})
            finally:
                self.rig.pool.empty()
                if row.finish:
                    row.finish(self.rig)
        self.rig.fleet.close()

    def sides_of(self, row):
        """In the order of a pair: ours, then Apache Kafka; in the first pair the floor after them."""
        order = {BARNABAS: 0, APACHE: 1}
        chosen = [side for side in row.sides if side.kind in self.kinds or (is_floor(side.kind) and "floor" in self.kinds)]
        return sorted(chosen, key=lambda side: order.get(side.kind, 2))

    def one(self, row, began):
        sides = self.sides_of(row)
        runs = {side.name: [] for side in sides}
        pairs = min(row.pairs or self.pairs, self.pairs)
        for pair in range(pairs):
            # There and back again, so that no floor always comes after the same one.
            for side in reversed(sides) if row.floors_alone and pair % 2 else sides:
                if pair and is_floor(side.kind) and not row.floors_alone:
                    continue  # the floor is in no ratio: once is enough
                at = time.monotonic()
                measured = row.measure(self.rig, side)
                runs[side.name].append(measured)
                figures = "  ".join(f"{m.key}={table.number(measured.values.get(m.key))}" for m in row.metrics if m.key in measured.values)
                busy = f"  generator {measured.generator_fraction:.0%}" if measured.generator_fraction else ""
                self.rig.say(f"pair {pair + 1}/{pairs} {side.name:16} {time.monotonic() - at:5.1f} s  {figures}{busy}")
        lines = lines_of(row, runs)
        took = time.monotonic() - began
        print(f"  {table.columns(row)}")
        for line in lines:
            print(f"  {table.line_text(line, row, judged=not self.rig.quick)}")
        late = f"  OVER its {ROW_LIMIT_SECONDS} s" if took > ROW_LIMIT_SECONDS else ""
        print(f"  took {took:.0f} s{late}", flush=True)
        self.results.append({
            "name": row.name,
            "title": row.title,
            "fixed": row.fixed,
            "seconds": round(took, 1),
            "lines": [table.line_json(line, row) for line in lines],
            "runs": {name: [vars(run) for run in measured] for name, measured in runs.items() if measured},
        })

    def document(self, described):
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=artifacts.REPOSITORY, capture_output=True, text=True).stdout.strip()
        return {
            "begun_at": self.begun_at.isoformat(timespec="seconds"),
            "commit": commit,
            "quick": self.rig.quick,
            "pairs": self.pairs,
            "seconds": round(time.monotonic() - self.started, 1),
            "machine": described,
            "warm_up_seconds": self.rig.fleet.warm_up_seconds,
            "rows": self.results,
        }

    def write(self, described, path=None):
        """Writes the results; by default under e2e/bench/results, named by date and commit."""
        document = self.document(described)
        if path is None:
            folder = artifacts.REPOSITORY / "e2e" / "bench" / "results"
            folder.mkdir(exist_ok=True)
            path = folder / f"{self.begun_at:%Y-%m-%d}-{document['commit'] or 'unknown'}.json"
        path.write_text(json.dumps(document, indent=1) + "\n")
        return path

    def summary(self):
        """One line of each figure again, without what was said while it was measured; then what was reached."""
        verdicts = [line["verdict"] for result in self.results for line in result.get("lines", [])]
        took = time.monotonic() - self.started
        limit = RUN_LIMIT_SECONDS if self.rig.options.variants is None else VARIANTS_LIMIT_SECONDS
        over = f", OVER its {limit // 60} minutes" if took > limit else ""
        if self.rig.quick:
            print(f"\na quick run shows that the rows work; its figures mean nothing; {took:.0f} s")
        elif self.rig.options.variants is not None:
            print(f"\ntook {took:.0f} s{over}")
        else:
            print(f"\naims: {verdicts.count('reached')} reached, {verdicts.count('MISSED')} missed, {verdicts.count('client-bound')} client-bound; {took:.0f} s{over}")
        measured = sum(1 for result in self.results if "lines" in result)
        if self.failures or not measured:
            print(f"FAIL bench: {len(self.failures)} rows failed: {', '.join(self.failures)}" if self.failures else "FAIL bench: nothing was measured")
            return 1
        print(f"PASS bench: every row was measured ({measured})")
        return 0
