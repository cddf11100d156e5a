"""Commands that begin with a file: what was in it stays, by mido's reading, and the rest is new."""

import io
import shlex
from pathlib import Path

import mido
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers import fails, midi_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from music21 import converter
from scipy.io import wavfile
from strategies import rock

from drum_qtuner.beat import Beat
from drum_qtuner.cli import main
from drum_qtuner.continuation import go_on
from drum_qtuner.midi_file import DrumTrack, write_drums
from drum_qtuner.store import load_pretrained

pytestmark = [
    pytest.mark.xdist_group("cli_files"),
    pytest.mark.filterwarnings(
        "ignore:.*(off the grid|left out|tempo changes|just before its end)"
    ),
]


@pytest.fixture(scope="module")
def network():
    return load_pretrained("note_cnn")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drum_qtuner(line: str):
    return CliRunner().invoke(main, shlex.split(line), prog_name="drum_qtuner")


def told(data: bytes, kinds=("note_on", "set_tempo")) -> list:
    "(quarter notes, kind, number, velocity) of what mido reads: strokes and tempos."
    midi, found = mido.MidiFile(file=io.BytesIO(data)), []
    for track in midi.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "set_tempo":
                found.append((now / midi.ticks_per_beat, "tempo", message.tempo, 0))
            elif message.type == "note_on" and message.velocity:
                where = now / midi.ticks_per_beat
                found.append((where, "stroke", message.note, message.velocity))
    return sorted(found)


notes = st.lists(
    st.tuples(
        st.integers(0, 4 * 1919),
        st.integers(0, 700),
        st.sampled_from([35, 36, 38, 40, 42, 57, 60, 95]),
        st.integers(1, 127),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda note: (note[0], note[2]),
)


@given(notes, st.sampled_from([96, 480, 1000]), st.booleans())
@settings(deadline=None, max_examples=30)
def test_what_was_in_the_file_stays_as_it_was(notes, resolution, slower):
    "Rolls, sounds that are on no kit, two sounds of one drum, a tempo that changes."
    rows = np.array([(on, on + length, pitch, loud) for on, length, pitch, loud in notes])
    rows[:, :2] = rows[:, :2] * resolution // 480
    _, first = np.unique(rows[:, [0, 2]], axis=0, return_index=True)
    if set(rows[:, 2]) == {95}:
        rows[0, 2] = 36
    tempos = [(0, 500_000), (resolution, 600_000)][: 1 + slower]
    length = 16 * resolution
    data = write_drums(DrumTrack(rows[first], resolution, tempos, 0, length, length))
    [(longer, new)] = go_on(load_pretrained("note_cnn"), data, bars=1)
    old = told(data)
    end = Beat.from_midi(data).steps / 4
    assert [event for event in told(longer) if event[0] < end] == old
    strokes = [event for event in told(longer) if event[0] >= end]
    assert len(strokes) == (new.velocity > 0).sum() and new.steps == 16
    assert mido.MidiFile(file=io.BytesIO(longer)).ticks_per_beat == resolution


def test_each_new_bar_follows_the_one_before(network):
    "A network that repeats what stood a bar before repeats the last bar for ever."

    class Echo(network.__class__):
        def scores(self, prefix):
            return 50 * torch.nn.functional.one_hot(prefix[:, -16], 10).float()

    echo = Echo()
    first, last = [0, 9, 6, 9] * 4, [1, 1, 9, 7] * 4
    Beat.from_classes([*first, *last], bpm=90).to_midi("two.mid")
    [(data, new)] = go_on(echo, "two.mid", bars=3)
    assert Beat.from_midi(data).classes().tolist() == [*first, *last * 4] and new.bpm == 90
    [(_, new)] = go_on(echo, "two.mid", bars=2, after=1)
    assert new.classes().tolist() == first * 2


def test_continuations_differ_and_come_again(network):
    rock(90).to_midi("rock.mid")
    one, other = (go_on(network, "rock.mid", n=3, seed=seed) for seed in (5, 6))
    assert len({data for data, _ in one + other}) == 6
    assert [data for data, _ in go_on(network, "rock.mid", n=3, seed=5)] == [d for d, _ in one]
    loud = go_on(network, "rock.mid", n=2, decode="argmax")
    assert loud[0] == loud[1]


def test_new_strokes_have_the_pitches_of_the_file(network):
    data = midi_bytes([(35, 90, t, t + 60) for t in range(0, 3840, 240)])
    [(longer, new)] = go_on(network, data, bars=4, seed=1)
    assert new.velocity[:, 0].any()
    assert 36 not in {number for _, kind, number, _ in told(longer) if kind == "stroke"}


def test_continue(network):
    rock(90).to_midi("rock.mid")
    result = drum_qtuner("continue rock.mid --bars 3 --n 2 --seed 4 --out more")
    assert result.exit_code == 0 and "behind rock.mid, which is as it was" in result.stdout
    for name in ("rock-continued-01.mid", "rock-continued-02.mid"):
        beat = Beat.from_midi(Path("more", name))
        assert (beat.steps, beat.bpm) == (80, 90)
        assert (beat.velocity[:32] == rock().velocity).all()
        assert (beat.offset[:32] == rock().offset).all()
    fails(drum_qtuner("continue rock.mid --n 2 --out more"), "is there already", "--overwrite")
    line = "continue rock.mid --seed 4 --n 2 --bars 3 --only-new --out new"
    assert drum_qtuner(line).exit_code == 0
    new = Beat.from_midi("new/rock-continued-01.mid")
    assert (
        new.velocity.tolist() == Beat.from_midi("more/rock-continued-01.mid").velocity[32:].tolist()
    )
    assert drum_qtuner("continue rock.mid --after 1 --bpm 77 --bars 1 --out one").exit_code == 0
    beat = Beat.from_midi("one/rock-continued-01.mid")
    assert (beat.steps, beat.bpm) == (32, 77) and (beat.velocity[:16] == rock().velocity[:16]).all()


def test_continue_says_what_it_cannot_do():
    rock(90).to_midi("rock.mid")
    Beat.from_classes([9] * 16).to_midi("silent.mid")
    Path("waltz.mid").write_bytes(midi_bytes([(36, 90, 0, 60)], signature="3-4", last_tick=2880))
    assert "Note: nothing sounds in the bar " in drum_qtuner("continue silent.mid").stderr
    fails(drum_qtuner("continue rock.mid --after 3"), "from 1 to the 2 that there are, not 3")
    fails(drum_qtuner("continue rock.mid --bars 649"), "at most 650")
    fails(drum_qtuner("continue waltz.mid"), "is in 3/4", "--fit-bars")
    assert drum_qtuner("continue waltz.mid --fit-bars --bars 1 --out 3").exit_code == 0
    assert Beat.from_midi("3/waltz-continued-01.mid").steps == 3 * 16
    fails(drum_qtuner("continue nowhere.mid"), "nowhere.mid")


def test_vary_plays_around_what_is_kept():
    rock(90).to_midi("rock.mid")
    result = drum_qtuner("vary rock.mid --keep 2 --keep BD,snare --n 4 --out new")
    assert result.exit_code == 0 and "strokes stay" in result.stdout
    beats = [Beat.from_midi(path) for path in sorted(Path("new").iterdir())]
    for beat in beats:
        assert (beat.steps, beat.bpm) == (32, 90)
        for now, was in ((beat.velocity, rock().velocity), (beat.offset, rock().offset)):
            assert (now[16:] == was[16:]).all() and (now[:, :2] == was[:, :2]).all()
    assert len({beat.velocity[:16].tobytes() for beat in beats}) > 1
    for keep, words in (
        ("3", "the bars 1 to 2"),
        ("tuba", "no drum such as BD"),
        ("''", "no bar such as"),
    ):
        fails(drum_qtuner(f"vary rock.mid --keep {keep} --out x"), words)
    fails(drum_qtuner("vary rock.mid"), "--keep")


def lengths(folder: str) -> dict:
    "Seconds of each sound in a folder."
    found = {path.name: wavfile.read(path) for path in sorted(Path(folder).rglob("*.wav"))}
    return {name: len(samples) / rate for name, (rate, samples) in found.items()}


def test_convert_files_folders_and_patterns():
    for name in ("loops/a.mid", "loops/more/b.MID", "c.mid"):
        rock(120).to_midi(name)
    Path("loops/._a.mid").write_bytes(b"what a Mac leaves")
    for line in ("loops c.mid", "loops '*.mid'", "'loops/**/*.*d' loops/more/b.MID c.mid"):
        result = drum_qtuner(f"convert {line} --to wav --loop --out sounds --overwrite")
        assert result.exit_code == 0, result.output
        assert lengths("sounds") == {name: pytest.approx(4) for name in ("a.wav", "b.wav", "c.wav")}
    assert Path("sounds/more/b.wav").exists()
    Beat.from_classes([9] * 15 + [7]).to_midi("crash.mid")
    for line, seconds in (("--out once", 2.1), ("--loop --out looped", 2)):
        assert drum_qtuner(f"convert crash.mid --to wav {line}").exit_code == 0
        [found] = lengths(line.split()[-1]).values()
        assert found > seconds if seconds > 2 else found == pytest.approx(2)  # or it rings out
    fails(drum_qtuner("convert crash.mid --to wav --out once"), "is there already", "--overwrite")


def test_convert_to_all_kinds():
    rock(90).to_midi("rock.mid")
    for kind in "txt svg musicxml html mid".split():
        assert drum_qtuner(f"convert rock.mid --to {kind} --write-map roland").exit_code == 0
    read = {path.suffix: path.read_text() for path in Path("converted").glob("*.[!m]*")}
    assert read[".txt"] == f"{rock(90)}\n" and "<svg" in read[".svg"] and "<audio" in read[".html"]
    chart = converter.parse("converted/rock.musicxml")
    struck = (rock().velocity > 0).sum()
    assert sum(len(getattr(note, "notes", [note])) for note in chart.recurse().notes) == struck
    assert Beat.from_midi("converted/rock.mid") == rock(90)
    Beat.from_classes([2, 3] * 8).to_midi("toms.mid")
    assert drum_qtuner("convert toms.mid --to mid --write-map roland").exit_code == 0
    assert {
        note
        for _, kind, note, _ in told(Path("converted/toms.mid").read_bytes())
        if kind == "stroke"
    } == {48, 45}


def test_convert_goes_on_after_a_bad_file_if_asked():
    rock(90).to_midi("good.mid")
    Path("bad.mid").write_bytes(b"MThd")
    Path("waltz.mid").write_bytes(midi_bytes([(36, 90, 0, 60)], signature="3-4", last_tick=2880))
    fails(drum_qtuner("convert bad.mid good.mid --to txt"), "bad.mid: not a MIDI file")
    result = drum_qtuner("convert '*.mid' --to txt --skip-bad --overwrite")
    assert result.exit_code == 0 and "1 of 3 files as txt" in result.stdout
    for words in ("left out: bad.mid: not a MIDI file", "left out: waltz.mid: is in 3/4"):
        assert words in result.stdout
    rock(90).to_midi("sub/good.mid")
    fails(drum_qtuner("convert good.mid sub/good.mid --to txt --out x"), "would both be")
    fails(drum_qtuner("convert nothing --to txt"), "nothing: there is no such file")
    fails(drum_qtuner("convert good.mid --to mp3"), "mp3")
