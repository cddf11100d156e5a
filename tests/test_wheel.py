"""The package as a stranger gets it: built, installed in an empty environment, and used."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from email import message_from_bytes
from importlib.metadata import distribution
from pathlib import Path

import mido
import music21
import pretty_midi
import pytest
from packaging.requirements import Requirement

import drum_qtuner

pytestmark = pytest.mark.xdist_group("wheel")  # build and install once


def test_groups_hold(request):
    "What shares a fixture runs in one worker: some versions of pytest-xdist forget it silently."
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.skip("one process")
    assert request.node.nodeid.endswith("@wheel")


@pytest.fixture(scope="module")
def wheel(copy_of_repo, tmp_path_factory) -> Path:
    "The wheel, built from the source distribution."
    source = copy_of_repo(tmp_path_factory.mktemp("source") / "drum_qtuner")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", source / "dist", source],
        check=True,
        capture_output=True,
    )
    return next((source / "dist").glob("*.whl"))


def required(lines, extras=()) -> dict:
    "{name: distribution} of all that some requirements need; they are met by this environment."
    found, waiting = {}, [(line, extras) for line in lines]
    while waiting:
        line, extras = waiting.pop()
        requirement = Requirement(line)
        wanted = [{"extra": extra} for extra in ("", *extras)]
        if requirement.marker and not any(map(requirement.marker.evaluate, wanted)):
            continue
        known = distribution(requirement.name)
        assert requirement.specifier.contains(known.version, prereleases=True), line
        key = (known.name, frozenset(requirement.extras))
        if key not in found:
            found[key] = known
            waiting += [(line, requirement.extras) for line in known.requires or []]
    return {known.name: known for known in found.values()}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    "A function that runs `drum_qtuner` where only the wheel and its requirements are installed."
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    paths = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        lines = message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    for known in required(lines).values():  # they are here already, and need not be copied
        tops = {path.parts[0] for path in known.files or [] if path.parts[0] != "__pycache__"}
        for top in tops - {".."}:
            link = packages / top
            link.exists() or link.symlink_to(known.locate_file(top))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", programs / "python", "install", "-q"]
        + ["--no-deps", "--no-index", "--no-compile", wheel],
        check=True,
    )

    def run(*args):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [programs / "drum_qtuner", *args],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.folder = folder
    return run


def test_contents(wheel, repo):
    "Every module, weight and asset is in the wheel, and nothing else of the repository."
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    kept = [
        path
        for path in repo.glob("drum_qtuner/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert sorted(names) == sorted(path.relative_to(repo).as_posix() for path in kept)
    assert wheel.stat().st_size < 6_000_000


def test_it_takes_little_room(wheel):
    "The wheel and all that it requires, without extras, unpacked."
    with zipfile.ZipFile(wheel) as archive:
        size = sum(member.file_size for member in archive.infolist())
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        lines = message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    for known in required(lines).values():
        paths = [Path(str(known.locate_file(path))) for path in known.files or []]
        size += sum(path.stat().st_size for path in paths if path.is_file())
    assert 50_000_000 < size < 150_000_000


def test_metadata(wheel):
    "Name, licence and requirements are known to pip; development tools are not required."
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(
            next(name for name in archive.namelist() if name.endswith("METADATA"))
        ).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    lines = metadata.splitlines()
    assert "Name: drum_qtuner" in lines and f"Version: {drum_qtuner.__version__}" in lines
    assert "License-Expression: Apache-2.0" in lines or "License: Apache-2.0" in lines
    assert any(line.startswith("Project-URL: Source") for line in lines)
    needed = [
        line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line
    ]
    assert any("numpy" in line for line in needed)
    assert not any(
        name in line for line in needed for name in ("torch", "pandas", "scipy", "nbdev")
    )


def test_help(installed):
    assert "generate" in installed("--help")
    packages = next((installed.folder / "venv").glob("[Ll]ib*/**/site-packages"))
    assert (packages / "numpy").exists()
    assert not any((packages / name).exists() for name in ("torch", "pandas", "scipy", "nbdev"))


def steps_in_mido(path: Path) -> set:
    "(step, pitch) of every hit on the drum channel, as mido reads the file at `path`."
    midi, hits, tick = mido.MidiFile(path), set(), 0
    for message in mido.merge_tracks(midi.tracks):
        tick += message.time
        if message.type == "note_on" and message.velocity:
            assert message.channel == 9
            hits.add((round(4 * tick / midi.ticks_per_beat), message.note))
    return hits


def steps_in_music21(path: Path) -> set:
    "(step, pitch) of every hit, as music21 reads it (its scores cannot name a ride, events can)."
    midi = music21.midi.MidiFile()
    midi.open(path)
    midi.read()
    midi.close()
    hits = set()
    for track in midi.tracks:
        tick = 0
        for event in track.events:
            if event.isDeltaTime():
                tick += event.time
            if event.isNoteOn():
                hits.add((round(4 * tick / midi.ticksPerQuarterNote), event.pitch))
    return hits


def test_generate(installed):
    "Eight beats without training, the same for the same seed, with the notes and tempo meant."
    installed(
        "generate", "--model", "dqn-0.1", "--n", "8", "--out", "beats", "--seed", "3", "--bpm", "90"
    )
    installed(
        "generate", "--model", "dqn-0.1", "--n", "8", "--out", "again", "--seed", "3", "--bpm", "90"
    )
    files = sorted((installed.folder / "beats").glob("*.mid"))
    assert len(files) == 8
    pitches = [drum.pitch for drum in drum_qtuner.KIT]
    for path in files:
        assert path.read_bytes() == (installed.folder / "again" / path.name).read_bytes()
        beat = drum_qtuner.Beat.from_midi(path)
        meant = {(step, pitches[drum]) for step, drum in zip(*beat.velocity.nonzero())}
        assert len(meant) == sum(beat.classes() != drum_qtuner.REST) > 0
        assert steps_in_mido(path) == steps_in_music21(path) == meant

        score = music21.converter.parse(path, quantizePost=False)
        assert {round(4 * float(hit.offset)) for hit in score.flatten().notes} == {
            step for step, _ in meant
        }
        midi = pretty_midi.PrettyMIDI(str(path))
        assert [instrument.is_drum for instrument in midi.instruments] == [True]
        assert midi.get_tempo_changes()[1] == pytest.approx([90], rel=1e-5)
        assert mido.MidiFile(path).length == pytest.approx(8 * 60 / 90, abs=1e-3)
