"""The figures for people (a table) and for programs (JSON). Measures and judges nothing."""

from rig.arithmetic import HIGHER

COLUMNS = ("figure", "unit", "side", "{ours}", "worst", "{theirs}", "ratio", "worst")
JUDGED_COLUMNS = ("aim", "floor", "o/floor")
WIDTHS = (-30, -9, -16, 9, 9, 9, 6, 6, 9, 9, 7)


def number(value):
    """Three significant digits, without an exponent; a dash for nothing."""
    if value is None:
        return "-"
    if value and abs(value) < 100:
        digits = 3 if abs(value) < 0.1 else 2 if abs(value) < 10 else 1
        return f"{value:.{digits}f}"
    return f"{value:,.0f}"


def aim_of(metric):
    sign = ">=" if metric.better == HIGHER else "<="
    if metric.limit is not None:
        return f"{sign}{metric.limit:g} {metric.unit}"
    return "" if metric.aim is None else f"{sign}{metric.aim:g}"


def aligned(cells):
    return " ".join(f"{cell:{'<' if width < 0 else '>'}{abs(width)}}" for cell, width in zip(cells, WIDTHS))


def columns(row):
    ours, theirs = row.headings
    cells = [cell.format(ours=ours, theirs=theirs) for cell in COLUMNS]
    return aligned([*cells, *(() if row.floors_alone else JUDGED_COLUMNS)])


def line_text(line, row, judged=True):
    metric = line.metric
    cells = [metric.title, metric.unit, line.side, *map(number, (line.ours, line.ours_worst, line.kafka, line.ratio, line.ratio_worst))]
    if not row.floors_alone:
        cells += [aim_of(metric), number(line.floor), number(line.over_floor)]
    return f"{aligned(cells)}  {line.verdict if judged else ''}".rstrip()


def head_text(row):
    fixed = "  ".join(f"{name}={value}" for name, value in row.fixed.items())
    return f"\n{row.name}: {row.title}" + (f"\n  {fixed}" if fixed else "")


def line_json(line, row):
    ours, theirs = row.headings
    return {
        "metric": line.metric.key,
        "unit": line.metric.unit,
        "better": line.metric.better,
        "side": line.side,
        ours: line.ours,
        f"{ours}_worst": line.ours_worst,
        theirs: line.kafka,
        "ratio": line.ratio,
        "ratio_worst": line.ratio_worst,
        "aim": line.metric.aim,
        "limit": line.metric.limit,
        "floor": line.floor,
        "over_floor": line.over_floor,
        "client_bound": line.client_bound,
        "verdict": line.verdict,
    }
