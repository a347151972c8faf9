"""Programs of Go modules, built from what the module proxy has: tests/bed/programs/<module>/go.mod pins what."""

import os
import pathlib
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from debian import Packages
from workshop import BUILD, ROOT, Made, digest

MODULES = ROOT / "tests/bed/programs"


@dataclass
class Program(Made):
    """A program of a module; with `cgo` partly C, for which packages of Debian may have headers and libraries."""

    name: str
    module: str
    package: str = "."
    variables: dict[str, str] = field(default_factory=dict)
    tags: str = ""
    cgo: bool = False
    static: bool = True
    packages: Packages | None = None
    libraries: str = ""

    def __post_init__(self) -> None:
        self.path = BUILD / self.module / self.name
        variables = " ".join(f"-X {name}={value}" for name, value in self.variables.items())
        static = " -linkmode external -extldflags -static" if self.cgo and self.static else ""
        self.command = ["go", "build", "-trimpath", "-tags", self.tags, "-ldflags", f"-s -w {variables}{static}"]
        packages = self.packages and self.packages.key
        self.key = digest(MODULES / self.module, self.command, self.package, packages, self.libraries)

    @property
    def version(self) -> str:
        """The module that the program is of, with its version."""
        if self.package.startswith("./"):
            return "of the bed"
        for module, version in re.findall(r"^\s*(?:require )?(\S+) (v\S+)", (MODULES / self.module / "go.mod").read_text(), re.M):
            if self.package in (module, ".") or self.package.startswith(f"{module}/"):
                return f"{module} {version}"
        raise LookupError(f"no module for {self.package} in {self.module}/go.mod")

    def write(self, target: pathlib.Path) -> None:
        # The checkout's commit would be in every program, and so in its sum.
        flags = f"{os.environ.get('GOFLAGS', '')} -buildvcs=false"
        environment = {**os.environ, "GOARCH": "amd64", "GOOS": "linux", "GOWORK": "off", "GOFLAGS": flags, **self._compiler()}
        command = ["nice", "-n", "15", *self.command, "-o", str(target), self.package]
        subprocess.run(command, cwd=MODULES / self.module, env=environment, check=True)

    def _compiler(self) -> dict[str, str]:
        if not self.cgo:
            return {"CGO_ENABLED": "0"}
        if not self.packages:
            return {"CGO_ENABLED": "1"}
        root = self.packages.unpacked().made() / "usr"
        return {
            "CGO_ENABLED": "1",
            "PKG_CONFIG": "true",  # it would answer for this machine's libraries
            "CGO_CFLAGS": f"-O2 -I{root}/include",
            "CGO_LDFLAGS": f"-L{root}/lib/x86_64-linux-gnu {self.libraries}",
        }


@dataclass
class ModuleFiles(Made):
    """A directory of a module's source."""

    module: str
    upstream: str
    inside: str

    def __post_init__(self) -> None:
        self.path = BUILD / self.module / self.inside
        self.key = digest(MODULES / self.module / "go.mod", self.upstream)

    def write(self, target: pathlib.Path) -> None:
        where = ["go", "list", "-m", "-f", "{{.Dir}}", self.upstream]
        done = subprocess.run(where, cwd=MODULES / self.module, check=True, capture_output=True, text=True)
        shutil.copytree(pathlib.Path(done.stdout.strip()) / self.inside, target, copy_function=shutil.copyfile)
        target.chmod(0o755)


@dataclass
class CProgram(Made):
    """A static program of one C file, tests/bed/programs/<name>/<name>.c."""

    name: str

    def __post_init__(self) -> None:
        self.source = MODULES / self.name / f"{self.name}.c"
        self.path = BUILD / self.name / self.name
        self.key = digest(self.source)
        self.version = "of the bed"

    def write(self, target: pathlib.Path) -> None:
        subprocess.run(["cc", "-Os", "-Wall", "-Werror", "-static", "-s", "-o", target, self.source], check=True)
