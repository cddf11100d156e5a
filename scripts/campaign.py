"""Read thousands of damaged files of each format, and count how that ends.

    python scripts/campaign.py 10000            # every format
    python scripts/campaign.py 10000 mid zip    # some of them

The files are made in tests/hostile.py, which the tests use too, with fewer of them.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from hostile import FORMATS, campaign  # noqa: E402

if __name__ == "__main__":
    count, kinds = int(sys.argv[1]), sys.argv[2:] or list(FORMATS)
    print("format       tried   read  refused  faults  slowest [s]  most memory [MB]")
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            found = campaign(kind, count, Path(folder))
        numbers = found["tried"], found["read"], found["refused"], len(found["faults"])
        print(f"{kind:11} {numbers[0]:6} {numbers[1]:6} {numbers[2]:8} {numbers[3]:7}", end=" ")
        print(f"{found['seconds']:12.2f} {found['megabytes']:17.0f}")
        for number, fault in found["faults"][:20]:
            print(f"  file {number}: {fault}")
