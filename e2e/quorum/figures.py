"""Times as numbers and as a histogram, several kinds of server beside each other. Judges nothing."""

BOUNDS_SECONDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 10, 20, 40]
BAR = 30


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(values):
    """Count, least, median, 90th percentile and most, in seconds."""
    if not values:
        return "none"
    return f"n {len(values):3}  least {min(values):6.2f}  median {quantile(values, 0.5):6.2f}  p90 {quantile(values, 0.9):6.2f}  most {max(values):6.2f} s"


def counts(values):
    found = [0] * (len(BOUNDS_SECONDS) + 1)
    for value in values:
        found[sum(value > bound for bound in BOUNDS_SECONDS)] += 1
    return found


def histogram(columns):
    """Lines; `columns` maps a title to its values. Empty ends are left out."""
    counted = {title: counts(values) for title, values in columns.items()}
    used = [at for at in range(len(BOUNDS_SECONDS) + 1) if any(count[at] for count in counted.values())]
    lines = ["      seconds   " + "".join(title.ljust(BAR + 7) for title in columns).rstrip()]
    for at in range(used[0], used[-1] + 1) if used else []:
        low = 0 if at == 0 else BOUNDS_SECONDS[at - 1]
        high = f"{BOUNDS_SECONDS[at]:g}" if at < len(BOUNDS_SECONDS) else "more"
        cells = []
        for title, values in columns.items():
            count = counted[title][at]
            bar = "#" * max(round(BAR * count / len(values)), 1 if count else 0)
            cells.append(f"{count:4}  {bar:{BAR}} ")
        lines.append(f"{low:6g} to {high:>5} " + "".join(cells).rstrip())
    return lines
