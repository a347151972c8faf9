"""Makes what the test bed's machines download: see scripts/testbed-artifacts."""

import argparse
import subprocess
import sys
import time

from check import check
from download import Download
from recipes import artifacts
from workshop import OUT, timed


def main() -> int:
    parser = argparse.ArgumentParser(prog="testbed-artifacts", description="Makes the files and images that the test bed serves.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="make these only")
    parser.add_argument("--check", action="store_true", help="run what is made, with nothing but what it comes with (as root)")
    parser.add_argument("--list", action="store_true", help="say what there is, and what of it is made")
    options = parser.parse_args()
    everything = artifacts()
    if unknown := set(options.only or ()) - {made.name for made in everything}:
        parser.error(f"no such artifact: {', '.join(sorted(unknown))}")
    if options.list:
        for made in everything:
            print(f"{'made ' if made.fresh else 'to do'} {made.name:32} {made.title}")
        return 0
    failed = []
    start = time.monotonic()
    for made in everything:
        if options.only and made.name not in options.only:
            continue
        try:
            made.made()
            if options.check:
                timed(f"{made.name} runs", lambda: check(made))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            print(f"{made.name}: {error}", file=sys.stderr, flush=True)
            failed.append(made.name)
        finally:
            describe([made for made in everything if made.path.exists()])
    print(f"{OUT}: {time.monotonic() - start:.1f} s")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def describe(made: list) -> None:
    """What a cluster must know of the files, and what they really are: not all are what their name says."""
    OUT.mkdir(parents=True, exist_ok=True)
    sums = dict(file.known for file in made if isinstance(file, Download))
    texts = {
        "checksums.yaml": "".join(f"{path}: {total}\n" for path, total in sums.items()),
        "VERSIONS": "".join(f"{getattr(one, 'tag', one.title)}: {one.version}\n" for one in made),
    }
    for name, text in texts.items():
        (OUT / f".{name}").write_text(text)
        (OUT / f".{name}").rename(OUT / name)


if __name__ == "__main__":
    sys.exit(main())
