"""What AWS documents and moto 5.2.5 does otherwise, put right: one file per area, applied by importing it.

A correction replaces one method of moto (`override`) or adds one that is missing (`add`). Its docstring says what AWS does,
with the page that says so, and what moto does. Nothing here knows kspot. tests/bed/test_corrections.py proves each one: its
test passes on the corrected emulator and fails on stock moto.
"""

import functools
import importlib
import time

# client_tokens is last: it wraps what the others have put right.
AREAS = [
    "tags",
    "volumes",
    "launch_templates",
    "instances",
    "network",
    "security_groups",
    "dependencies",
    "elastic_load_balancing",
    "auto_scaling",
    "auto_scaling_templates",
    "launches",
    "spot",
    "iam",
    "route53",
    "s3",
    "sts",
    "queues",
    "client_tokens",
]

# How a request that waits lets the time pass; a server that answers one request at a time puts its own in place.
pause = time.sleep


def apply() -> None:
    """Puts every correction in place; once per process."""
    for area in AREAS:
        importlib.import_module(f"corrections.{area}")


def override(owner):
    """Replaces the method of `owner` that has the function's name; the function gets the original as first argument."""

    def decorate(function):
        original = getattr(owner, function.__name__)

        @functools.wraps(original)
        def replacement(*args, **kwargs):
            return function(original, *args, **kwargs)

        setattr(owner, function.__name__, replacement)
        return replacement

    return decorate


def add(owner):
    """Gives `owner` a method that it lacks; that it has one already is a mistake."""

    def decorate(function):
        assert not hasattr(owner, function.__name__), f"{owner.__name__} has {function.__name__}"
        setattr(owner, function.__name__, function)
        return function

    return decorate
