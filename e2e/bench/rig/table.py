"""The figures for people (a table) and for programs (JSON). Measures and judges nothing."""

from rig.arithmetic import HIGHER

COLUMNS = f"{'figure':30} {'unit':9} {'side':16} {'ours':>9} {'worst':>9} {'kafka':>9} {'ratio':>6} {'worst':>6} {'aim':>9} {'floor':>9} {'o/floor':>7}"


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


def line_text(line, judged=True):
    metric = line.metric
    cells = f"{metric.title:30} {metric.unit:9} {line.side:16} {number(line.ours):>9} {number(line.ours_worst):>9} {number(line.kafka):>9} "
    cells += f"{number(line.ratio):>6} {number(line.ratio_worst):>6} {aim_of(metric):>9} {number(line.floor):>9} {number(line.over_floor):>7}"
    return f"{cells}  {line.verdict if judged else ''}".rstrip()


def head_text(row):
    fixed = "  ".join(f"{name}={value}" for name, value in row.fixed.items())
    return f"\n{row.name}: {row.title}" + (f"\n  {fixed}" if fixed else "")


def line_json(line):
    return {
        "metric": line.metric.key,
        "unit": line.metric.unit,
        "better": line.metric.better,
        "side": line.side,
        "ours": line.ours,
        "ours_worst": line.ours_worst,
        "kafka": line.kafka,
        "ratio": line.ratio,
        "ratio_worst": line.ratio_worst,
        "aim": line.metric.aim,
        "limit": line.metric.limit,
        "floor": line.floor,
        "over_floor": line.over_floor,
        "client_bound": line.client_bound,
        "verdict": line.verdict,
    }
