"""The whole kit in the page: its networks beside Python, its expectations, and how it plays."""

import numpy as np
import pytest
from sequencer import beat_of, cell, expected, half, press
from test_browser_jam import heard, in_grid, pass_loop, start

from drum_qtuner.beat import Beat
from drum_qtuner.codec import KitCodec
from drum_qtuner.decoding import listener
from drum_qtuner.drummer import drummer_of
from drum_qtuner.filling_gru import FillingGRU
from drum_qtuner.grooves import GROOVES
from drum_qtuner.hits import HitsGRU
from drum_qtuner.humaniser import new_humaniser
from drum_qtuner.patterns import drum_chances
from drum_qtuner.store import load_pretrained, new_network
from drum_qtuner.studio import expected as by_kernel
from drum_qtuner.studio import under, weights_asset
from drum_qtuner.styles import condition
from drum_qtuner.touch import player_of

FUNK = GROOVES["funk"]


@pytest.fixture(scope="module")
def kit():
    "A network of the whole kit that has learned nothing, and has a strong opinion of everything."
    model = new_network(HitsGRU, 1)
    for weight in model.parameters():
        weight.data *= 3
    return half(model.eval()).requires_grad_(False)


@pytest.fixture(scope="module")
def drummer(kit):
    "Hits and touch of networks that have learned nothing."
    humaniser = new_humaniser(0)
    for name, weight in humaniser.named_parameters():
        weight.data *= 1 if name.endswith("near") else 2
    humaniser = half(humaniser.eval()).requires_grad_(False)
    return drummer_of(kit, humaniser, new_network(FillingGRU, 0))


CONDITIONS = [{}, dict(bpm=97.5), dict(style="funk", bpm=140), dict(style="jazz", guidance=1.5)]


def test_it_says_what_python_says(studio, kit):
    "log p of all 512 patterns after every beginning; untold, told, and led further."
    tokens = np.random.default_rng(0).integers(512, size=40)
    tokens[::3] = KitCodec().encode(FUNK)[:14]
    heard = studio().evaluate(
        """([asset, tokens, asked]) => {
        const {load, all} = drumQtuner.network, {kit} = load(asset).models;
        return asked.map(conditions => all(kit, tokens, conditions));
    }""",
        [weights_asset({"kit": kit}), tokens.tolist(), CONDITIONS],
    )
    for conditions, rows in zip(CONDITIONS, heard):
        hears = listener(under(kit, **conditions), 1)
        wanted = [hears(tokens[None, :t])[0] for t in range(41)]
        assert np.abs(np.array(rows) - wanted).max() < 1e-3, conditions
    assert np.abs(np.array(heard[0]) - heard[2]).max() > 0.1  # what is told is heard


def test_the_grid_shows_the_chance_of_each_drum(studio, kit):
    page = studio(FUNK, model="kit", models={"kit": kit})
    tokens = KitCodec().encode(FUNK)
    log_p = listener(under(kit, bpm=FUNK.bpm), 1)(tokens[None, :13])
    wanted = np.append(drum_chances(log_p)[0], np.exp(log_p[0, 0]))
    assert np.abs(expected(page, 13) - wanted).max() < 2e-3
    surprise = page.locator(".dqs-surprise").nth(13).get_attribute("title")
    assert surprise == f"−log p = {-log_p[0, tokens[13]]:.2f} nats"
    answer = by_kernel(kit, tokens, bpm=FUNK.bpm)  # and the kernel says the same
    assert np.abs(answer["rows"][13] - wanted).max() < 1e-5
    assert answer["surprise"][13] == pytest.approx(-log_p[0, tokens[13]], abs=1e-4)
    legend = page.locator(".dqs-legend").first.inner_text()
    assert "the chance of each drum" in legend and "loudest" not in legend


def test_it_goes_on_and_varies_around_what_is_kept(studio, kit):
    page = studio(FUNK, model="kit", models={"kit": kit, "note_cnn": load_pretrained("note_cnn")})
    start = beat_of(page)
    press(page, "Let the network go on")
    after = beat_of(page)
    assert np.array_equal(after.velocity[:8], start.velocity[:8])
    assert np.array_equal(after.offset[:8], start.offset[:8])
    assert ((after.velocity > 0).sum(1) > 1).any() and after != start
    press(page, "undo")
    press(page, "Vary")
    changed = (beat_of(page).velocity != start.velocity).any(1)
    assert 0 < changed.sum() < 14 and not changed[:8].any()
    press(page, "New")
    assert beat_of(page) != start
    page.get_by_label("decoding rule").select_option("argmax")
    press(page, "Let the network go on")
    greedy = beat_of(page)
    press(page, "Vary")  # the likeliest is there already
    assert "would play the same again" in page.get_by_role("alert").inner_text()
    assert beat_of(page) == greedy


def test_a_style_is_chosen_where_the_model_has_styles(studio, kit):
    page = studio(FUNK, model="kit", models={"kit": kit, "note_cnn": load_pretrained("note_cnn")})
    before, style = expected(page, 13), page.get_by_label("style")
    style.select_option("jazz")
    beat_of(page)
    tokens = KitCodec().encode(FUNK)
    log_p = listener(under(kit, style="jazz", bpm=FUNK.bpm), 1)(tokens[None, :13])
    assert np.abs(expected(page, 13)[:9] - drum_chances(log_p)[0]).max() < 2e-3
    assert np.abs(expected(page, 13) - before).max() > 0.01
    page.get_by_label("model A").select_option("note_cnn")
    assert not style.is_visible()
    page.get_by_label("model A").select_option("kit")
    assert style.is_visible()
    cell(page, 31, 1).click()
    assert isinstance(beat_of(page), Beat)


PLAY = """([asset, hits, given, conditions]) => {
    const {drummer} = drumQtuner.network.load(asset).models, {humaniser} = drummer.parts;
    const options = {kept: (step, drum) => given[step][drum], rate: true};
    const play = drumQtuner.humaniser.play(humaniser, hits, conditions, options);
    for (;;) {
        const {done, value} = play.next();
        if (done) return value.map(({step, drum, classes, logP}) =>
            [step, drum, ...classes.map((c, kind) => logP[kind][c])]);
    }
}"""


def test_its_touch_is_that_of_python(studio, drummer):
    "log p of a performance, stroke by stroke: how hard and how late each of them was."
    told, rng = dict(style="funk", bpm=97.0), np.random.default_rng(0)
    hits = rng.random((48, 9)) < [0.4, 0.3, 0.1, 0.1, 0.05, 0.1, 0.9, 0.05, 0.3]
    given = np.stack([rng.integers(127, size=hits.shape), rng.integers(120, size=hits.shape)], 2)
    _, log_p = player_of(drummer.humaniser).play(
        hits[None],
        condition(**told)[None],
        rng.random((1, *given.shape)),
        given[None],
        np.ones((1, *given.shape), bool),
    )
    tokens = hits @ (1 << np.arange(9))
    asset = weights_asset({"drummer": drummer})
    assert not any("filling" in name for name, _ in asset["models"][0]["tensors"])
    heard = studio().evaluate(PLAY, [asset, tokens.tolist(), given.tolist(), told])
    assert [tuple(row[:2]) for row in heard] == [tuple(at) for at in np.argwhere(hits)]
    assert np.abs(np.array(heard)[:, 2:] - log_p[0][hits]).max() < 1e-3


def test_it_plays_with_dynamics_and_timing(studio, drummer):
    "Every new stroke is as loud and as late as the humaniser says; those that are kept stay."
    page = studio(FUNK, model="drummer", models={"drummer": drummer})
    start = beat_of(page)
    press(page, "Let the network go on")
    after = beat_of(page)
    assert np.array_equal(after.velocity[:8], start.velocity[:8])
    assert np.array_equal(after.offset[:8], start.offset[:8])
    struck = after.velocity[8:] > 0
    assert len(set(after.velocity[8:][struck])) > 10
    assert len(set(after.offset[8:][struck])) > 10
    ticks = after.offset[8:][struck] * 120
    assert np.allclose(ticks, np.round(ticks), atol=1e-3)
    press(page, "undo")
    press(page, "Vary")
    varied = beat_of(page)
    same = ((varied.velocity > 0) == (start.velocity > 0)).all(1)
    assert not same.all() and np.array_equal(varied.velocity[:8], start.velocity[:8])


def test_the_whole_kit_jams(studio, drummer):
    "Loop after loop with other strokes, dynamics and timing; what is kept stays to the last tick."
    known = Beat(FUNK.velocity, FUNK.offset, 120)
    page = studio(known, model="drummer", models={"drummer": drummer})
    origin, beats = start(page), [known]
    page.clock.run_for(200)
    for _ in range(3):
        pass_loop(page)
        beats.append(in_grid(page))
    for before, after in zip(beats, beats[1:]):
        assert np.array_equal(before.velocity[:8], after.velocity[:8])
        assert np.array_equal(before.offset[:8], after.offset[:8])
        assert not np.array_equal(before.velocity[8:] > 0, after.velocity[8:] > 0)
        assert len(set(after.offset[8:][after.velocity[8:] > 0])) > 10
    starts, wanted = np.sort(page.evaluate("starts")), heard(beats, origin)
    assert len(starts) > len(heard(beats[:3], origin))
    assert np.abs(starts - wanted[: len(starts)]).max() < 1e-6


def test_drums_are_kept_while_the_others_are_played(studio, drummer):
    "The hi-hat stays to the last tick, silences too; on, varied, and in a jam. Not for a Note-CNN."
    models = {"drummer": drummer, "note_cnn": load_pretrained("note_cnn")}
    page = studio(Beat(FUNK.velocity, FUNK.offset, 120), model="drummer", models=models)
    press(page, "CH: keep every Closed Hi-Hat")
    before = beat_of(page)

    def hat(beat):
        return beat.velocity[:, 6].tolist(), beat.offset[:, 6].tolist()

    for button in ("Let the network go on", "Vary"):
        press(page, button)
        after = beat_of(page)
        assert hat(after) == hat(before) and after != before
        press(page, "undo")
    start(page)
    page.clock.run_for(200)
    pass_loop(page)
    assert hat(in_grid(page)) == hat(before)
    assert not np.array_equal(in_grid(page).velocity[8:, :6], before.velocity[8:, :6])
    page.get_by_label("model A").select_option("note_cnn")
    assert page.get_by_role("group", name="drums kept").count() == 0  # it is hidden
