"""Running programs."""

import subprocess


class CommandFailed(Exception):
    """A program that ended otherwise than it should have; says which, and what it wrote."""


def run(*command: str, stdin: str | None = None, timeout: float = 60) -> str:
    """Runs a program to its end and gives what it wrote; its failure is an exception with its own words."""
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=timeout)
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def attempt(*command: str, timeout: float = 60) -> bool:
    """Runs a program whose failure is an answer; gives whether it succeeded."""
    return subprocess.run(command, capture_output=True, timeout=timeout).returncode == 0
