"""Make the copy of the Groove MIDI Dataset that comes with the package.

    python scripts/make_groove.py groove-v1.0.0-midionly.zip

Any archive or folder with the same performances gives the same files, byte for byte. The data card
beside them, README.md, is written by hand.
"""

import argparse
from pathlib import Path

from drum_qtuner.archive import dataset_files
from drum_qtuner.files import write_file
from drum_qtuner.groove import pack_tracks, read_info
from drum_qtuner.midi_file import read_drums

TARGET = Path(__file__).resolve().parent.parent / "drum_qtuner" / "data" / "groove"
LICENSE = """\
This work is licensed under the Creative Commons Attribution 4.0 International License. To view a \
copy of this license, visit http://creativecommons.org/licenses/by/4.0/ or send a letter to \
Creative Commons, PO Box 1866, Mountain View, CA 94042, USA.
"""  # as in the archive


def make(
    source,  # a folder or a zip in the layout of Groove
) -> dict[str, bytes]:  # {name: what the file holds}
    "The files of the packaged copy."
    found = dataset_files(source)
    rows = read_info(found[found.table], f"{source}: {found.table}")
    tracks = [read_drums(found[row["midi_filename"]], ended_only=True) for row in rows]
    return {
        "info.csv": found[found.table],
        "notes.npz": pack_tracks(tracks),
        "LICENSE": LICENSE.encode(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a folder or a zip in the layout of Groove")
    parser.add_argument("--out", type=Path, default=TARGET, help="default: the package")
    arguments = parser.parse_args()
    for name, data in make(arguments.source).items():
        write_file(arguments.out / name, data)
        print(f"{arguments.out / name}: {len(data):,} bytes")
