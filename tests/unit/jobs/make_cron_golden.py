#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes cron_golden.inc: schedule, start, next time, worked out by a second, slower implementation that
asks datetime about every single minute of a day. Run it again only to add cases:
    python3 make_cron_golden.py > cron_golden.inc
"""
import datetime
import random

EPOCH = datetime.datetime(1970, 1, 1)
NAMES = [None, None, None,
         "jan feb mar apr may jun jul aug sep oct nov dec".split(),
         "sun mon tue wed thu fri sat".split()]
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def value(text, field):
    if NAMES[field] and text.lower() in NAMES[field]:
        return NAMES[field].index(text.lower()) + RANGES[field][0]
    return int(text)


def expand(text, field):
    low, high = RANGES[field]
    result = set()
    for part in text.split(","):
        body, _, step = part.partition("/")
        if body == "*":
            first, last = low, high
        elif "-" in body:
            first, last = (value(x, field) for x in body.split("-"))
        else:
            first = value(body, field)
            last = high if step else first
        result.update(range(first, last + 1, int(step or 1)))
    if field == 4 and 7 in result:
        result.add(0)
    return result


def next_time(expression, after_ms):
    fields = expression.split()
    minutes, hours, days, months, weekdays = (expand(t, i) for i, t in enumerate(fields))
    either = not (fields[2].startswith("*") or fields[4].startswith("*"))
    start = EPOCH + datetime.timedelta(minutes=after_ms // 60000 + 1)
    day = start.replace(hour=0, minute=0)
    while True:
        in_month, in_week = day.day in days, day.isoweekday() % 7 in weekdays
        fits = (in_month or in_week) if either else (in_month and in_week)
        if day.month in months and fits:
            for minute in range(1440):
                at = day + datetime.timedelta(minutes=minute)
                if at >= start and at.hour in hours and at.minute in minutes:
                    return (at - EPOCH) // datetime.timedelta(milliseconds=1)
        day += datetime.timedelta(days=1)


def random_field(rng, field):
    low, high = RANGES[field]

    def item():
        form = rng.randrange(6)
        a, b = sorted((rng.randint(low, high), rng.randint(low, high)))
        step = rng.randint(1, max(1, (high - low) // 2))
        if NAMES[field] and form == 5:
            names = NAMES[field]
            x, y = sorted((rng.randrange(len(names)), rng.randrange(len(names))))
            return f"{names[x].upper()}-{names[y]}"
        return [f"{a}", f"{a}-{b}", f"*/{step}", f"{a}-{b}/{step}", f"{a}/{step}", f"{b}"][form]

    if rng.random() < 0.35:
        return "*"
    return ",".join(item() for _ in range(rng.choice([1, 1, 1, 2, 3])))


def main():
    rng = random.Random(20260801)
    print("/* SPDX-License-Identifier: GPL-3.0-or-later */")
    print("/* Written by make_cron_golden.py, a second implementation. Do not edit. */")
    count = 0
    while count < 300:
        expression = " ".join(random_field(rng, i) for i in range(5))
        month_days = expand(expression.split()[2], 2)
        if min(month_days) > 28 and len(expression) > 0 and expression.split()[3] != "*":
            continue  # may name a day that no month has; those are in the table of refusals
        after = rng.randrange(-10**12, 4 * 10**12)
        try:
            result = next_time(expression, after)
        except OverflowError:
            continue
        print(f'{{ "{expression}", INT64_C({after}), INT64_C({result}) }},')
        count += 1


main()
