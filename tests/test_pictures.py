"""Roll, chart and player hold every stroke of a beat, and say what they cannot show."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from strategies import rock

from drum_qtuner import player, roll, score
from drum_qtuner.beat import KIT, REST, Beat
from drum_qtuner.beat_player import PAGE_BYTES, player_page
from drum_qtuner.notation import HEADS
from drum_qtuner.pictures import COLORS, named_beats


def wild(seed=0, steps=32) -> Beat:
    "A beat on all drums, early and late, soft and hard."
    random = np.random.default_rng(seed)
    struck = random.random((steps, 9)) < 0.3
    velocity = struck * random.integers(1, 128, struck.shape)
    return Beat(velocity, random.uniform(-0.5, 0.5, struck.shape), 97.3)


def test_beats_have_names():
    beat = rock()
    assert named_beats(beat) == {"Beat": beat}
    assert named_beats([beat, beat]) == {"Beat 1": beat, "Beat 2": beat}
    assert named_beats({3: beat}) == {"3": beat}
    assert named_beats(beat for _ in range(2)) == {"Beat 1": beat, "Beat 2": beat}


@pytest.mark.parametrize("show", [named_beats, roll, player, player_page])
@pytest.mark.parametrize(
    "beats, words",
    [
        (3, "a Beat, or a list or dict"),
        ([], "no beat to show"),
        ({}, "no beat to show"),
        ({"mine": [0, 9]}, "mine is no Beat"),
        ([rock(), None], "Beat 2 is no Beat"),
    ],
)
def test_what_is_no_beat_cannot_be_shown(show, beats, words):
    with pytest.raises(ValueError, match=words):
        show(beats)


def test_a_roll_has_a_bar_for_each_stroke():
    from matplotlib.colors import to_hex

    beat = wild()
    bars = roll(beat).axes[0].patches
    steps, drums = np.nonzero(beat.velocity)
    centres = [bar.get_x() + bar.get_width() / 2 for bar in bars]
    np.testing.assert_allclose(centres, steps + beat.offset[steps, drums], atol=1e-6)
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [COLORS[d].lower() for d in drums]


@pytest.mark.parametrize("bars", [8, 9, 32, 156])
def test_a_long_roll_is_broken_into_lines(bars):
    "Every stroke is on one of the lines, and the names of the bars keep clear of each other."
    beat = wild(steps=16 * bars)
    figure = roll(beat)
    figure.draw_without_rendering()
    assert len(figure.axes) == -(-bars // 8)
    assert sum(len(ax.patches) for ax in figure.axes) == (beat.velocity > 0).sum()
    names = [label for ax in figure.axes for label in ax.get_xticklabels()]
    assert [label.get_text() for label in names] == [f"bar {b + 1}" for b in range(bars)]
    for ax in figure.axes:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert not any(one.overlaps(other) for one, other in zip(boxes, boxes[1:]))
    heat = np.arange(beat.steps * 9).reshape(-1, 9)
    lines = [image for ax in roll(beat, heat=heat).axes for image in ax.images]
    shown = [line.get_array().T for line in lines if len(line.get_array()) == 9]
    assert np.array_equal(np.concatenate(shown), heat)


def test_rolls_side_by_side():
    fig = roll([wild(0), wild(1), wild(2, 16)], columns=2)
    assert len(fig.axes) == 4 and [ax.get_visible() for ax in fig.axes] == [True, True, True, False]
    assert [ax.get_title() for ax in fig.axes[:3]] == ["Beat 1", "Beat 2", "Beat 3"]


def test_heat_for_each_beat():
    beats = {"a": wild(0), "b": wild(1, 16)}
    heats = {
        name: np.random.default_rng(0).random((beat.steps, 10)) for name, beat in beats.items()
    }
    for given in (heats, list(heats.values())):
        shown = [ax.images[0].get_array() for ax in roll(beats, heat=given).axes if ax.images]
        assert [image.T.tolist() for image in shown] == [heat.tolist() for heat in heats.values()]
    for wrong in (heats["a"], [heats["a"]], [heats["b"], heats["a"]], heats["a"][0]):
        with pytest.raises(ValueError, match=r"heat must be one array .* \[32, 16\] steps"):
            roll(beats, heat=wrong)


@pytest.mark.parametrize("least, most", [(-1, 1), (-0.75, 0.1), (-1, 9)])
def test_grey_is_nothing_in_every_strip(least, most):
    "The middle of cividis is 0, its ends are the least and the most."
    heat = np.zeros((32, 9))
    heat[0], heat[1] = least, most
    (image,) = (image for ax in roll(wild(), heat=heat).axes for image in ax.images[:1])
    assert image.norm([least, 0, most]).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("beat", [rock(), wild(3), Beat.from_classes([REST] * 16)])
def test_a_chart_holds_every_stroke_once(beat):
    "The heads in the MusicXML, drum by drum, without any library of music."
    found = {head: 0 for head in HEADS}
    for note in ElementTree.fromstring(score(beat).xml).iter("note"):
        if note.find("unpitched") is not None:
            place = note.findtext("unpitched/display-step") + note.findtext(
                "unpitched/display-octave"
            )
            found[f"{place} {note.findtext('notehead') or 'normal'}"] += 1
    assert list(found.values()) == (beat.velocity > 0).sum(0).tolist()
    assert score(beat).xml == score(beat).xml


def drawn(html: str) -> str:
    "The SVG of the first image; it is no part of the page, so that an untrusted notebook has it."
    return base64.b64decode(re.search(r"data:image/svg\+xml;base64,([^\"]*)", html)[1]).decode()


def test_a_chart_is_written_and_drawn(tmp_path):
    chart = score(rock(92))
    assert chart.musicxml(tmp_path / "rock.musicxml").read_text(encoding="utf-8") == chart.xml
    html = chart._repr_html_()
    assert "92 bpm" in drawn(html) and 'alt="Drum chart"' in html and "<svg" not in html


def test_a_player_shows_every_stroke():
    beat = wild(4)
    html = player({"<wild>": beat}).html(script=False)
    assert len(html) < PAGE_BYTES + 200 and "&lt;wild&gt;" in html and "<wild>" not in html
    strokes = re.findall(r"M-?\d+ \d+h14v10h-14z", drawn(html))
    assert len(strokes) == (beat.velocity > 0).sum()
    counts = re.search('alt="Strokes: ([^"]*)"', html)[1].split(", ")
    struck = (beat.velocity > 0).sum(0)
    assert counts == [f"{drum.name} {n}" for drum, n in zip(KIT, struck) if n]


def test_every_beat_shows_itself():
    beat = rock()
    assert beat._repr_html_() == player(beat)._repr_html_()
