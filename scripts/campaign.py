"""Read thousands of damaged files of each format, and count how that ends.

    python scripts/campaign.py 10000            # every format
    python scripts/campaign.py 10000 mid zip    # some of them

The files are made in tests/hostile.py, which the tests use too, with fewer of them.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from hostile import FORMATS, campaign  # noqa: E402

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Read many damaged files of each format.")
    parser.add_argument("count", type=int)
    parser.add_argument("formats", nargs="*", help=" ".join(FORMATS), default=[*FORMATS])
    asked = parser.parse_args()
    if unknown := set(asked.formats) - set(FORMATS):
        parser.error(f"no format {min(unknown)!r}: there are {', '.join(FORMATS)}")
    print("format       tried   read  refused  faults  slowest [s]  most memory [MB]")
    for kind in asked.formats:
        with tempfile.TemporaryDirectory() as folder:
            found = campaign(kind, asked.count, Path(folder))
        numbers = found["tried"], found["read"], found["refused"], len(found["faults"])
        print(f"{kind:11} {numbers[0]:6} {numbers[1]:6} {numbers[2]:8} {numbers[3]:7}", end=" ")
        print(f"{found['seconds']:12.2f} {found['megabytes']:17.0f}")
        for number, fault in found["faults"][:20]:
            print(f"  file {number}: {fault}")
