"""Results of a run: lines while it goes, a table, and the one plain last line. Decides nothing about what passes."""

import sys
import time


class Report:
    def __init__(self, title):
        self.title = title
        self.rows = []
        self.started = time.monotonic()

    def add(self, status, subject, case, seconds, detail=""):
        """`status` is ok, FAIL or skip; a skip says why in `detail`."""
        self.rows.append((status, subject, case, seconds, detail))
        print(f"{status:4} {subject:18} {case:28} {seconds:7.2f} s  {detail}".rstrip(), flush=True)

    def count(self, status):
        return sum(1 for row in self.rows if row[0] == status)

    def finish(self):
        """Prints the table and the last line; the exit code: 0 only when nothing failed and something ran."""
        subjects = list(dict.fromkeys(row[1] for row in self.rows))
        cases = list(dict.fromkeys(row[2] for row in self.rows))
        if len(subjects) > 1:
            status = {(row[1], row[2]): row[0] for row in self.rows}
            widths = [max(len(subject), 4) for subject in subjects]
            print(f"\n{self.title}\n{'':28} " + " ".join(s.ljust(w) for s, w in zip(subjects, widths)))
            for case in cases:
                cells = (status.get((subject, case), "-").ljust(w) for subject, w in zip(subjects, widths))
                print(f"{case:28} " + " ".join(cells).rstrip())
        for row in self.rows:
            if row[0] != "ok":
                print(f"{row[0]}: {row[1]} {row[2]}: {row[4]}")
        print(f"took {time.monotonic() - self.started:.1f} s")
        passed, failed, skipped = (self.count(status) for status in ("ok", "FAIL", "skip"))
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        sys.stdout.flush()
        return 0 if failed == 0 and passed > 0 else 1
