"""Figures out of figures: medians, the worst of the pairs, ratios, percentiles. Reads no clock and no file.

A ratio is always ours divided by theirs, whatever the direction; `better` says which way is good.
"""

import math

LOWER, HIGHER = "lower", "higher"


def median(values):
    """The middle one, or the mean of the two in the middle; nothing of nothing."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def worst(values, better):
    """The value that speaks most against us."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return max(known) if better == LOWER else min(known)


def ratio(ours, theirs):
    """Ours divided by theirs; nothing where either was not measured or theirs is zero."""
    return None if ours is None or not theirs else ours / theirs


def ratios(ours, theirs):
    """The ratio of each pair, in the order they were run."""
    return [ratio(a, b) for a, b in zip(ours, theirs)]


def reached(value, aim, better):
    """Whether a ratio or figure keeps to its aim; nothing where there is no aim or no figure."""
    if value is None or aim is None:
        return None
    return value <= aim if better == LOWER else value >= aim


def percentile(values, fraction):
    """The smallest value that at least `fraction` of all do not exceed."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]
