"""What is measured: each number with what it should be, and with how busy the machine was."""

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Number:
    what: str
    value: float
    unit: str
    target: float
    load: float


@dataclass
class Numbers:
    all: list[Number] = field(default_factory=list)

    def note(self, what: str, value: float, unit: str, target: float, bound: float) -> None:
        """Notes a number. How fast something is depends on the machine: missing the target is shown, passing the bound fails."""
        self.all.append(Number(what, value, unit, target, os.getloadavg()[0]))
        assert value <= bound, f"{what}: {value:.1f} {unit}, which is more than {bound:g} {unit}"

    def table(self) -> list[str]:
        rows = [("NUMBER", "MEASURED", "TARGET", "MET", "LOAD")]
        for number in self.all:
            met = "yes" if number.value < number.target else "no"
            rows.append((number.what, f"{number.value:.1f} {number.unit}", f"{number.target:g} {number.unit}", met, f"{number.load:.1f}"))
        widths = [max(map(len, column)) for column in zip(*rows)]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
