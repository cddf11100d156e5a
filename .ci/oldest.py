"""Print constraints that pin every requirement to the oldest version it allows.

    python .ci/oldest.py > constraints-oldest.txt
    pip install -c constraints-oldest.txt -e ".[course]"

The job `oldest` of the workflow `test` installs these and runs the tests with them, so that the
lower bounds in settings.ini are true.
"""

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ["requirements", "course_requirements", "soundfont_requirements"]


def oldest(settings) -> dict[str, str]:
    "{name: oldest version} of the package and of the extras that a course needs."
    lines = " ".join(settings[kind] for kind in KINDS).split()
    return dict(line.split(">=") for line in lines)


if __name__ == "__main__":
    config = ConfigParser()
    config.read(ROOT / "settings.ini", encoding="utf-8")
    for name, version in sorted(oldest(config["DEFAULT"]).items()):
        print(f"{name}=={version}")
