"""Models: made from a seed, stored, trained, played; models of other kinds need no change."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

import drum_qtuner
from drum_qtuner import store
from drum_qtuner.beat import KIT, REST, Beat
from drum_qtuner.codec import Codec
from drum_qtuner.decoding import generate
from drum_qtuner.dqn_tuning import QNetwork
from drum_qtuner.files import package_path, read_tensors, write_tensors
from drum_qtuner.fit import fit, load_checkpoint, one_thread, weights
from drum_qtuner.note_cnn import (
    NoteCNN,
    TrainSettings,
    all_logits,
    loss,
    new_note_cnn,
    states,
    train,
)
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.store import load, load_pretrained, new_network, pretrained, register, save

BASS, SNARE, HAT = 0, 1, 6


def same(one: nn.Module, other: nn.Module) -> bool:
    "Are all weights equal, to the last bit?"
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


def some_clips(n: int = 40, seed: int = 0) -> np.ndarray:
    "Clips with a pattern in them: something a network can learn."
    rng = np.random.default_rng(seed)
    clips = np.tile([0, 9, 6, 9, 1, 9, 6, 9], (n, 4))
    return np.where(rng.random(clips.shape) < 0.2, rng.integers(10, size=clips.shape), clips)


class Stop(Exception):
    "Somebody pulled the plug."


def stop_at(update: int):
    "A callback that ends the training."

    def callback(done, model):
        if done == update:
            raise Stop

    return callback


# Models of other kinds. They stand for what others will write: all they need is in this file.


@register
class Recurrent(nn.Module):
    "A gated recurrent unit."

    def __init__(self, hidden: int = 12):
        super().__init__()
        self.sizes, self.card = dict(hidden=hidden), {}
        self.sound = nn.Embedding(REST + 2, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.output = nn.Linear(hidden, REST + 1)

    def forward(self, classes):
        return self.output(self.gru(self.sound(F.pad(classes, (1, 0), value=REST + 1)))[0])

    def scores(self, prefix):
        return self(prefix)[:, -1]


class TwoVoices(Codec):
    "The loudest of the other drums (or a rest), and whether the bass drum is struck as well."

    size = 2 * (REST + 1)

    def encode(self, beat):
        upper = beat.velocity.copy()
        upper[:, BASS] = 0
        voice = np.where(upper.any(1), upper.argmax(1), REST)
        return voice + (REST + 1) * (beat.velocity[:, BASS] > 0)

    def decode(self, tokens, bpm=120.0):
        upper, bass = np.asarray(tokens) % (REST + 1), np.asarray(tokens) > REST
        velocity = 90 * (upper[:, None] == np.arange(len(KIT)))
        velocity[:, BASS] = 110 * bass
        return Beat(velocity, bpm=bpm)


@register
class TwoVoiceCNN(NoteCNN):
    "The Note-CNN's layers, twice as many classes."

    codec = TwoVoices()

    def __init__(self, **sizes):
        super().__init__(**{"classes": 20, **sizes})


def test_a_recurrent_model_is_saved_loaded_and_plays(tmp_path):
    model = new_network(Recurrent, 3, hidden=7)
    save(model, tmp_path / "mine.safetensors", {"what": "a test"})
    loaded = load(tmp_path / "mine.safetensors")
    assert type(loaded) is Recurrent and same(model, loaded) and not loaded.training
    assert loaded.card == {"architecture": "Recurrent", "sizes": {"hidden": 7}, "what": "a test"}
    beats = generate(loaded, 5, seed=1)
    assert beats == generate(model.eval(), 5, seed=1) != generate(loaded, 5, seed=2)


def test_a_recurrent_model_learns_in_the_common_loop():
    clips = torch.from_numpy(some_clips()).long()
    model = new_network(Recurrent, 0)

    def cross_entropy(model, rows):
        return F.cross_entropy(model(clips[rows])[:, :-1].flatten(0, 1), clips[rows].flatten())

    batches = [b for _ in range(15) for b in torch.randperm(len(clips)).split(10)]
    optimizer = torch.optim.AdamW(model.parameters(), 0.02)
    rows = fit(model, batches, cross_entropy, optimizer, points=range(4, 61, 4))
    assert len(rows) == 15 and rows[-1]["train_loss"] < 1.5 < 2 < rows[0]["train_loss"]


def test_a_recurrent_model_plays_around_what_is_kept():
    velocity = np.zeros((16, 9), int)
    velocity[::4, HAT], velocity[4, SNARE] = 33, 121
    beat = Beat(velocity, np.where(velocity > 0, -0.25, 0))
    mask = np.zeros((16, 9), bool)
    mask[:, HAT] = mask[4] = True
    for made in generate(new_network(Recurrent, 0), 20, given=beat, keep=mask, steps=32):
        assert (made.velocity[:16][mask] == velocity[mask]).all()
        assert (made.offset[:16][mask] == beat.offset[mask]).all()


def test_two_voices_are_played_saved_and_kept(tmp_path):
    model = load(save(new_network(TwoVoiceCNN, 0, hidden=8), tmp_path / "two.safetensors"))
    beats = generate(model, 50)
    together = [(beat.velocity[:, BASS] > 0) & (beat.velocity[:, 1:] > 0).any(1) for beat in beats]
    assert np.mean(together) > 0.3  # two drums at once, as one voice cannot
    assert {0, 90, 110} == {int(v) for beat in beats for v in np.unique(beat.velocity)}
    again = generate(model, 3, given=beats[0], keep=16)
    assert all((beat.velocity[:16] == beats[0].velocity[:16]).all() for beat in again)
    assert generate(model, 2, primer=[19, 9, 16])[0].velocity[2].tolist() == [
        110,
        0,
        0,
        0,
        0,
        0,
        90,
        0,
        0,
    ]
    with pytest.raises(ValueError, match="whole numbers from 0 to 19"):
        generate(model, primer=[20])


def test_two_voices_hear_both(monkeypatch):
    "A model with a codec of its own is told of the bass drum under a kept hi-hat."
    heard = []

    def scores(prefix):
        heard.append(prefix[0].tolist())
        return torch.eye(20)[[REST + REST + 1]].expand(len(prefix), -1)  # bass drum, nothing else

    velocity = np.zeros((16, 9), int)
    velocity[:, HAT] = 127
    model = SimpleNamespace(scores=scores, codec=TwoVoices())
    mask = np.tile(np.arange(9) == HAT, (16, 1))
    made = generate(model, 1, "argmax", steps=16, given=Beat(velocity), keep=mask)[0]
    assert heard[-1] == [HAT + REST + 1] * 15
    assert (made.velocity[:, HAT] == 127).all() and (made.velocity[:, BASS] == 110).all()


# What is kept


@st.composite
def beats(draw, bars=2):
    velocity = draw(arrays(np.uint8, (16 * bars, 9), elements=st.integers(0, 127)))
    offset = draw(arrays(np.float32, velocity.shape, elements=st.floats(-0.5, 0.484375, width=32)))
    return Beat(velocity, offset, draw(st.integers(40, 240)))


@pytest.fixture(scope="module")
def model():
    return new_note_cnn(0, channels=4, hidden=4)


keeping = st.one_of(
    st.integers(0, 32),
    arrays(bool, 32),
    arrays(bool, (32, 9)),
    arrays(bool, 9).map(lambda drums: np.tile(drums, (32, 1))),
    st.none(),
)


@settings(max_examples=60, deadline=None)
@given(beats(), keeping, st.sampled_from(["sample", "argmax"]), st.integers(2, 3))
def test_what_is_kept_is_unchanged(model, beat, keep, decode, bars):
    mask = np.ones((32, 9), bool)
    if keep is not None:
        mask &= np.arange(32)[:, None] < keep if isinstance(keep, int) else keep.reshape(32, -1)
    made = generate(model, 2, decode, steps=16 * bars, bpm=90, given=beat, keep=keep)
    for one in made:
        assert one.steps == 16 * bars and one.bpm == 90
        assert (one.velocity[:32][mask] == beat.velocity[mask]).all()
        assert (one.offset[:32][mask] == np.where(beat.velocity > 0, beat.offset, 0)[mask]).all()
        played = one.velocity.copy()
        played[:32][mask] = 0
        assert set(np.unique(played)) <= {0, 100} and ((played > 0).sum(1) <= 1).all()
        assert not one.offset[:32][~mask].any() and not one.offset[32:].any()


@settings(max_examples=20, deadline=None)
@given(beats(bars=1))
def test_a_primer_is_the_case_that_keeps_all(model, beat):
    primed = generate(model, 3, primer=beat)
    assert primed == generate(model, 3, given=beat) == generate(model, 3, given=beat, keep=16)
    as_classes = generate(model, 3, primer=beat.classes())
    assert [b.classes().tolist() for b in primed] == [b.classes().tolist() for b in as_classes]


def test_only_the_past_is_heard(model):
    "Keeping the second bar changes nothing in the first, which is played without knowing it."
    velocity = np.zeros((32, 9), int)
    velocity[16:, SNARE] = 100
    late = np.arange(32) >= 16
    alone = generate(model, 4, primer=[], seed=5)
    around = generate(model, 4, given=Beat(velocity), keep=late, seed=5)
    assert all((a.velocity[:16] == b.velocity[:16]).all() for a, b in zip(alone, around))


def test_all_models_agree_with_a_plain_object_that_has_their_scores(model):
    for network in (model, load_pretrained("dqn-0.1")):
        plain = SimpleNamespace(scores=network.scores)
        beat = Beat(np.eye(16, 9, dtype=int) * 50)
        for asked in (dict(), dict(primer=[0, 9, 9]), dict(given=beat, keep=np.eye(16, 9) > 0)):
            assert generate(network, 20, **asked) == generate(plain, 20, **asked)


@pytest.mark.parametrize(
    "asked, words",
    [
        (dict(n=0), "n must be at least 1"),
        (dict(n=2.5), "n=2.5"),
        (dict(steps=10**9), "steps 1 to 650 whole bars"),
        (dict(temperature=float("nan")), "temperature must be above 0"),
        (dict(temperature="hot"), "temperature must be above 0"),
        (dict(decode="beam"), "decode must be"),
        (dict(bpm=5), "bpm must be"),
        (dict(keep=3), "with given="),
        (dict(given=Beat(np.zeros((16, 9), int)), primer=[1]), "not both"),
        (dict(given=Beat(np.zeros((16, 9), int)), keep=17), "0 to the 16 steps given, not 17"),
        (dict(given=Beat(np.zeros((16, 9), int)), keep=-1), "not -1"),
        (dict(given=Beat(np.zeros((16, 9), int)), keep=True), "not bool ()"),
        (dict(given=Beat(np.zeros((16, 9), int)), keep=[0.5] * 16), "not float64"),
        (dict(given=Beat(np.zeros((16, 9), int)), keep=np.ones((9, 16), bool)), r"\(9, 16\)"),
        (dict(given=Beat(np.zeros((48, 9), int))), "keep holds step 47 of 32 steps"),
        (dict(given="a beat"), "given must be a Beat, not str"),
        (dict(primer=[[[0]]]), "a primer has at most"),
        (dict(primer=["x"]), "a flat list of whole numbers"),
        (dict(primer=[0.5]), "a flat list of whole numbers"),
        (dict(primer=[10]), "classes are 0 to 8"),
    ],
)
def test_what_cannot_be_played_is_said_by_name(model, asked, words):
    with pytest.raises(ValueError, match=words.replace("()", r"\(\)")):
        generate(model, **asked)


@pytest.mark.parametrize(
    "scores, words",
    [
        (lambda prefix: torch.zeros(len(prefix), 9), "must rate 10 things"),
        (lambda prefix: torch.zeros(10), "must rate 10 things"),
        (lambda prefix: torch.full((len(prefix), 10), torch.nan), "gave nan"),
    ],
)
def test_scores_that_are_none(scores, words):
    with pytest.raises(ValueError, match=words):
        generate(SimpleNamespace(scores=scores))


# From a seed


@pytest.mark.parametrize(
    "network, sizes", [(NoteCNN, {}), (QNetwork, {"kernel": 9}), (Recurrent, {})]
)
def test_initial_weights_are_torchs_and_leave_its_generator_alone(network, sizes):
    torch.manual_seed(5)
    usual = network(**sizes)
    before = torch.get_rng_state()
    assert same(new_network(network, 5, **sizes), usual)
    assert torch.equal(before, torch.get_rng_state())


def test_initial_weights_while_other_threads_draw():
    expected, made, stop = new_network(Recurrent, 1), [], threading.Event()

    def disturb():
        while not stop.is_set():
            torch.randn(10)

    threads = [
        threading.Thread(target=lambda: made.append(new_network(Recurrent, 1))) for _ in range(20)
    ]
    noise = threading.Thread(target=disturb)
    noise.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    noise.join()
    assert len(made) == 20 and all(same(expected, one) for one in made)


@pytest.mark.parametrize("sizes", [dict(kernel=33), dict(hidden=0), dict(classes=-1)])
def test_impossible_sizes(sizes):
    with pytest.raises(ValueError, match="sizes are 1 or more"):
        NoteCNN(**sizes)


# The store


def test_every_model_of_the_list_registers_itself():
    for architecture in drum_qtuner.MODELS:
        drum_qtuner.import_model(architecture)
        assert architecture in store._NETWORKS


def test_a_q_network_is_found_though_nobody_imported_it():
    code = (
        "import sys; from drum_qtuner.store import load_pretrained, pretrained; pretrained();"
        "assert 'drum_qtuner.note_cnn' not in sys.modules;"
        "print(type(load_pretrained('dqn-0.1')).__name__, 'drum_qtuner.panel' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["QNetwork", "False"]


def test_the_judge_is_a_model_like_others():
    judge = load(package_path("judges") / "judge.safetensors")
    assert type(judge).__name__ == "Judge" and judge.card["name"] == "judge"
    assert len(generate(judge, 2)) == 2


def test_two_classes_of_one_name():
    class Recurrent(nn.Module):
        scores = None

        def __init__(self):
            super().__init__()

    with pytest.raises(ValueError, match="no method `scores`"):
        register(Recurrent)
    Recurrent.scores = lambda self, prefix: prefix
    Recurrent.__module__ = "elsewhere"
    with pytest.raises(ValueError, match="two classes are called Recurrent: in elsewhere and in"):
        register(Recurrent)


def test_a_model_that_nobody_could_load_is_not_saved(tmp_path):
    class Unknown(Recurrent):
        pass

    with pytest.raises(ValueError, match="Unknown is not registered"):
        save(Unknown(), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_card_of_another_model_does_not_change_what_it_is(tmp_path):
    card = load_pretrained("note_cnn").card
    model = new_network(Recurrent, 0)
    loaded = load(save(model, tmp_path / "x.safetensors", card))
    assert same(loaded, model) and loaded.card["valid_loss"] == card["valid_loss"]
    assert json.loads((tmp_path / "x.json").read_text()) == loaded.card


SIZES = dict(classes=10, steps=32, channels=64, kernel=17, hidden=32)
LIES = {
    "null": "not a dictionary",
    "[1, 2]": "not a dictionary",
    "[" * 100_000: "nested too deep",
    "{": "not a safetensors file, or a damaged one",
    json.dumps({}): "unknown architecture 'None'",
    json.dumps({"architecture": ["NoteCNN"], "sizes": SIZES}): "unknown architecture",
    json.dumps({"architecture": {"NoteCNN": 1}, "sizes": SIZES}): "unknown architecture",
    json.dumps(
        {"architecture": "os.system", "sizes": SIZES}
    ): "known are .*Judge.*NoteCNN.*QNetwork",
    json.dumps({"architecture": "NoteCNN"}): "gives no sizes",
    json.dumps({"architecture": "NoteCNN", "sizes": [10, 32]}): "gives no sizes",
    json.dumps({"architecture": "QNetwork", "sizes": SIZES}): "do not fit its card .output.bias",
    json.dumps({"architecture": "Judge", "sizes": {"hidden": 96}}): "do not fit its card",
}
for name, value, words in [
    ("hidden", 10**6, "do not fit"),
    ("steps", 10**6, "do not fit"),
    ("channels", 10**12, "impossible sizes|do not fit"),
    ("hidden", 10**30, "impossible sizes|do not fit"),
    ("kernel", 33, "impossible sizes"),
    ("steps", 0, "impossible sizes"),
    ("hidden", "many", "impossible sizes"),
    ("hidden", None, "impossible sizes"),
    ("hidden", 32.0, "impossible sizes"),
    ("width", 3, "impossible sizes"),
]:
    LIES[json.dumps({"architecture": "NoteCNN", "sizes": {**SIZES, name: value}})] = words


@pytest.mark.parametrize("only_play", [False, True])
@pytest.mark.parametrize("text", LIES, ids=range(len(LIES)))
def test_a_file_that_lies_is_found_out(text, only_play, tmp_path):
    from safetensors.torch import save as to_bytes

    path = tmp_path / "liar.safetensors"
    path.write_bytes(to_bytes(load_pretrained("note_cnn").state_dict(), {"card": text}))
    with pytest.raises(ValueError, match=LIES[text]) as raised:
        load(path, only_play)
    assert str(path) in str(raised.value) and len(str(raised.value)) < 600


def test_liars_take_no_memory(tmp_path):
    "A card that speaks of a hundred gigabytes is refused by a process that may have three."
    card = {"architecture": "NoteCNN", "sizes": {**SIZES, "hidden": 10**6, "channels": 10**4}}
    path = write_tensors(tmp_path / "x.safetensors", new_note_cnn(0).state_dict(), card)
    code = (
        "import resource; from drum_qtuner.store import load;"
        "import drum_qtuner.note_cnn;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try: load({str(path)!r})\n"
        "except ValueError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000  # kilobytes


@pytest.mark.parametrize("network, sizes", [(NoteCNN, {"classes": 5}), (NoteCNN, {"classes": 20})])
def test_a_model_of_other_classes_cannot_play_the_papers_view(network, sizes, tmp_path):
    model = load(save(new_network(network, 0, **sizes), tmp_path / "x.safetensors"))
    with pytest.raises(ValueError, match=f"the model has {sizes['classes']} classes"):
        generate(model)


def test_foreign_files_among_the_weights_do_no_harm(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "WEIGHTS", tmp_path)
    save(new_note_cnn(0), tmp_path / "good.safetensors")
    (tmp_path / "download.safetensors").write_bytes(b"half a download")
    for i, card in enumerate(
        ["[]", "{", "null", '{"architecture": "LSTM"}', '{"architecture": []}', "[" * 10**5]
    ):
        write_tensors(tmp_path / f"foreign{i}.safetensors", {}, {})
        (tmp_path / f"foreign{i}.json").write_text(card)
    (tmp_path / "folder.safetensors").mkdir()
    assert pretrained() == ["good"]
    assert same(load_pretrained("good"), new_note_cnn(0))
    with pytest.raises(ValueError, match="download.safetensors: not a safetensors file"):
        load_pretrained("download")
    with pytest.raises(ValueError, match="foreign3.safetensors: a model of unknown architecture"):
        load_pretrained("foreign3")
    with pytest.raises(ValueError, match="there is no model '../good'; there are good"):
        load_pretrained("../good")


# Training


def test_training_is_decided_by_its_settings():
    clips = some_clips()
    model, table = train(clips, clips, clips_shown=640, seed=3, channels=8)
    again, _ = train(clips, clips, 640, seed=3, channels=8)
    other, _ = train(clips, clips, 640, seed=4, channels=8)
    assert same(model, again) and not same(model, other) and not model.training
    assert list(table) == ["clips_shown", "train_loss", "valid_loss"]
    assert table["clips_shown"].tolist() == list(range(32, 641, 32))
    with torch.no_grad():
        assert loss(model, clips).item() == table["valid_loss"].min()


@pytest.mark.parametrize("size", [9, 10])  # an even batch is computed in two halves
def test_training_is_the_plain_loop(size):
    "Written out: draw clips, step down the gradient, keep the last."
    clips = some_clips()
    model, _ = train(clips, clips_shown=30 * size, batch_size=size, seed=2, hidden=8)
    plain = new_note_cnn(2, hidden=8)
    optimizer = torch.optim.Adam(plain.parameters(), 1e-3)
    with one_thread():
        for rows in np.random.default_rng(2).integers(len(clips), size=(30, size)):
            optimizer.zero_grad()
            loss(plain, clips[rows]).backward()
            optimizer.step()
    assert size == 10 or same(model, plain)
    for one, other in zip(model.parameters(), plain.parameters()):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("stop", [1, 7, 8, 39])
def test_training_goes_on_where_it_stopped(stop, tmp_path):
    clips, file = some_clips(), tmp_path / "checkpoint.safetensors"
    how = dict(valid=some_clips(seed=1), clips_shown=400, batch_size=10, seed=1, channels=8)
    whole, table = train(clips, **how)
    with pytest.raises(Stop):
        train(clips, **how, checkpoint=file, callback=stop_at(stop))
    resumed, table_again = train(clips, **how, checkpoint=file)
    assert same(whole, resumed) and table.equals(table_again)
    finished, table_again = train(clips, **how, checkpoint=file)  # there is nothing left to do
    assert same(whole, finished) and table.equals(table_again)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(seed=2), "with seed = 1, not 2"),
        (dict(clips_shown=640), "with clips_shown = 320, not 640"),
        (dict(channels=9), "with channels = 8, not 9"),
        (dict(clips=some_clips(seed=9)), "with data = "),
        (dict(valid=some_clips(seed=9)), "with valid = "),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(change, words, tmp_path):
    how = dict(
        clips=some_clips(),
        clips_shown=320,
        seed=1,
        channels=8,
        checkpoint=tmp_path / "c.safetensors",
    )
    train(**how)
    with pytest.raises(ValueError, match=words):
        train(**{**how, **change})


def test_a_model_is_no_checkpoint(tmp_path):
    path = save(new_note_cnn(0), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="holds no training"):
        train(some_clips(), clips_shown=320, checkpoint=path)


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(clips_shown=0), "clips_shown and batch_size must be at least 1"),
        (dict(batch_size=0), "clips_shown and batch_size must be at least 1"),
        (dict(learning_rate=0), "learning_rate must be above 0"),
        (dict(first_step=32), "first_step from 0 to 31"),
    ],
)
def test_settings_that_cannot_be(wrong, words):
    with pytest.raises(ValueError, match=words):
        TrainSettings(**wrong)
    with pytest.raises(ValueError, match=words):
        train(some_clips(), **wrong)


@pytest.mark.parametrize(
    "clips", [np.zeros((0, 32), int), np.zeros(32, int), np.full((2, 32), 10), [["a"]]]
)
def test_clips_that_are_none(clips):
    with pytest.raises(ValueError):
        train(clips)


# The loop


class Dropping(nn.Module):
    "A network in which chance plays a part while it trains."

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, x):
        return self.layers(x)


class Numbered:
    "Batches made when they are asked for."

    def __len__(self):
        return 50

    def __getitem__(self, i):
        return {"x": torch.full((4, 3), i / 50), "y": torch.full((4, 1), 1 - i / 50)}


def squares(model, batch):
    return (model(batch["x"]) - batch["y"]).pow(2).mean()


def fitted(kind=torch.optim.AdamW, **how):
    torch.manual_seed(0)
    model = Dropping()
    optimizer = kind(model.parameters(), lr=0.01)
    how = {
        "validate": lambda model: squares(model, Numbered()[40]),
        "points": range(5, 51, 5),
        **how,
    }
    return model, fit(model, Numbered(), squares, optimizer, **how)


@pytest.mark.parametrize(
    "name", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "NAdam", "Adamax", "Rprop"]
)
@pytest.mark.parametrize("stop", [3, 27])
def test_any_optimizer_goes_on_to_the_same_bits(name, stop, tmp_path):
    kind, settings = getattr(torch.optim, name), {"optimizer": name}
    whole, rows = fitted(kind)
    how = dict(checkpoint=tmp_path / "c.safetensors", settings=settings)
    with pytest.raises(Stop):
        fitted(kind, **how, callback=stop_at(stop))
    torch.rand(stop)  # meanwhile others draw
    resumed, rows_again = fitted(kind, **how)
    assert same(whole, resumed) and rows == rows_again


def test_momentum_goes_on_as_well(tmp_path):
    def momentum(parameters, lr):
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9)

    whole, _ = fitted(momentum)
    how = dict(checkpoint=tmp_path / "c.safetensors", settings={})
    with pytest.raises(Stop):
        fitted(momentum, **how, callback=stop_at(32))
    assert same(whole, fitted(momentum, **how)[0])


def test_the_loop_is_the_plain_one_and_draws_nothing_itself():
    torch.manual_seed(0)
    plain = Dropping()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01)
    for batch in [Numbered()[i] for i in range(50)]:
        optimizer.zero_grad()
        squares(plain, batch).backward()
        optimizer.step()
    after = torch.get_rng_state()
    model, rows = fitted(validate=None, points=())
    assert same(plain, model) and torch.equal(after, torch.get_rng_state())
    assert [row["updates"] for row in rows] == [50] and np.isnan(rows[0]["valid_loss"])


def test_validation_sees_a_model_at_rest_and_the_best_is_kept():
    verdicts, seen = iter([3, 1, 2, 1, 5, 1.5, 9, 9, 9, 9]), []

    def validate(model):
        assert not model.training and not torch.is_grad_enabled()
        seen.append(weights(model))
        return next(verdicts)

    def training(done, model):
        assert model.training

    model, rows = fitted(validate=validate, callback=training)
    assert [row["valid_loss"] for row in rows][:4] == [3, 1, 2, 1]
    assert all(torch.equal(seen[3][name], value) for name, value in weights(model).items())
    assert not model.training


def test_validation_that_says_nan_keeps_the_last():
    model, rows = fitted(validate=lambda model: float("nan"))
    assert same(model, fitted(validate=None)[0])


def test_the_callback_comes_after_the_checkpoint(tmp_path):
    file = tmp_path / "c.safetensors"
    with pytest.raises(Stop):
        fitted(checkpoint=file, settings={}, callback=stop_at(25))
    parts, facts = load_checkpoint(file, {"updates": 50})
    assert facts["rows"][-1]["updates"] == 25
    assert set(parts) == {"model", "adam", "best", "random"}


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(points=[0]), "from 1 to the 50"),
        (dict(points=[51]), "from 1 to the 50"),
        (dict(checkpoint="c.safetensors"), "a checkpoint needs `settings`"),
    ],
)
def test_what_the_loop_cannot_do(wrong, words):
    with pytest.raises(ValueError, match=words):
        fitted(**wrong)


# Files


def test_tensors_come_back_with_their_card(tmp_path):
    path = write_tensors(
        tmp_path / "a.safetensors", {"x": np.arange(3), "y": torch.ones(2, 2).T}, {"z": [1]}
    )
    tensors, card = read_tensors(path)
    assert (
        tensors["x"].tolist() == [0, 1, 2] and tensors["y"].shape == (2, 2) and card == {"z": [1]}
    )
    for text in ("", "x" * 100, path.read_text("latin-1")[:-1]):
        (tmp_path / "b.safetensors").write_text(text, "latin-1")
        with pytest.raises(ValueError, match="b.safetensors: not a safetensors file"):
            read_tensors(tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="it is a folder"):
        read_tensors(tmp_path)


def test_files_need_no_torch():
    code = "import sys, drum_qtuner.files; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert package_path("weights").is_dir() and isinstance(package_path(""), Path)


# What the Note-CNN is, and mistakes that are called by name


def test_one_pass_is_one_state_at_a_time():
    "All logits, the loss and the gradient of each of the 44,074 parameters."
    model, clip = new_note_cnn(0), torch.from_numpy(some_clips(1)).long()
    assert sum(p.numel() for p in model.parameters()) == 44_074
    naive = torch.cat([model.scores(clip[:, :t]) for t in range(32)])
    torch.testing.assert_close(all_logits(model, clip[:, :-1])[0], naive)
    slow = F.cross_entropy(naive[8:], clip[0, 8:])
    one, other = (
        torch.autograd.grad(value, list(model.parameters())) for value in (loss(model, clip), slow)
    )
    for ours, theirs in zip(one, other):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_state_is_padded_on_the_left():
    state = states(torch.tensor([[0, 9, 6]]))
    assert state.shape == (1, 10, 32) and state.sum(1)[0].tolist() == [0] * 29 + [1] * 3
    assert [int(i) for i in state[0, :, -3:].argmax(0)] == [0, 9, 6]
    assert new_note_cnn(0).scores(torch.zeros(5, 0, dtype=torch.long)).shape == (5, 10)


def test_draws_are_from_the_probabilities():
    model = load_pretrained("note_cnn")
    primer = some_clips(1)[0][:31]
    drawn = [b.classes()[31] for b in generate(model, 20_000, primer=primer)]
    p = model.scores(torch.from_numpy(primer)[None]).softmax(1)[0].detach().numpy()
    found = np.bincount(drawn, minlength=10) / 20_000
    assert (abs(found - p) <= 5 * np.sqrt(p * (1 - p) / 20_000) + 1e-4).all()


def test_the_fast_way_to_play_says_the_same():
    model, seen = load_pretrained("note_cnn"), torch.from_numpy(some_clips(3)).long()
    grow = model.incremental(3)
    with torch.no_grad():
        for t in range(33):
            slow = model.scores(seen[:, :t]).numpy()
            np.testing.assert_allclose(grow(seen[:, :t].numpy()), slow, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["note_cnn", "dqn-0.1"])
@pytest.mark.parametrize("decode", ["sample", "argmax"])
def test_a_network_that_only_plays_plays_the_same(name, decode):
    "Asked in numpy step by step, and in torch about each whole beginning."
    plain = SimpleNamespace(scores=load_pretrained(name).scores)
    player = load_pretrained(name, only_play=True)
    assert not isinstance(player, nn.Module) and player.card == load_pretrained(name).card
    assert generate(player, 30, decode, seed=2) == generate(plain, 30, decode, seed=2)


def test_playing_uses_one_thread():
    "Sums in another order would give other last digits."

    def scores(prefix):
        assert {library["num_threads"] for library in threadpool_info()} == {1}
        return np.zeros((len(prefix), 10))

    with threadpool_limits(2):
        generate(SimpleNamespace(scores=scores), 1, steps=16)


def test_the_shipped_network_is_as_good_as_its_card_says():
    model = load_pretrained("note_cnn")
    with torch.no_grad():
        for split, bound in (("validation", 1.045), ("test", 1.025)):
            assert loss(model, load_clips(split=split, verbose=False).classes).item() <= bound


@pytest.mark.parametrize(
    "prefix, words",
    [
        (torch.tensor([[0.0, 9.0]]), r"add \.long\(\)"),
        (torch.tensor([[0, 9]], dtype=torch.uint8), r"add \.long\(\)"),
        (torch.tensor([0, 9]), r"prefix\[None\]"),
        (torch.tensor([[0, 10]]), "knows the classes 0 to 9, and the beat has a 10"),
        (torch.tensor([[0, -1]]), "the beat has a -1"),
        ([[0, 9]], "not a list"),
    ],
)
def test_a_prefix_that_is_none(prefix, words):
    network = new_note_cnn(0)
    for ask in (states, network.scores, lambda prefix: all_logits(network, prefix)):
        with pytest.raises(ValueError, match=words):
            ask(prefix)


def test_a_beat_of_three_sounds_and_a_network_of_ten():
    prefix = torch.tensor([[0, 1, 2]])
    with pytest.raises(ValueError, match="wants states of 10 classes and 32 steps"):
        new_note_cnn(0)(states(prefix, 3))
    with pytest.raises(ValueError, match="knows the classes 0 to 2"):
        new_note_cnn(0, classes=3).scores(prefix + 1)


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(seed="one"), "seed must be"),
        (dict(clips_shown="many"), "clips_shown and batch_size"),
        (dict(batch_size=1.5), "clips_shown and batch_size"),
        (dict(learning_rate="fast"), "learning_rate must be"),
        (dict(first_step="8"), "first_step from 0 to 31"),
        (dict(hidden="32"), "sizes are 1 or more"),
        (dict(valid="none"), "clips must be an array"),
        (dict(checkpoint=3), "checkpoint must be"),
        (dict(callback="print"), "callback must be"),
    ],
)
def test_train_says_what_is_wrong(wrong, words):
    with pytest.raises(ValueError, match=words):
        train(some_clips(), clips_shown=wrong.pop("clips_shown", 320), **wrong)


@pytest.mark.parametrize(
    "asked, words",
    [
        (dict(n="3"), "n='3'"),
        (dict(temperature="hot"), "not 'hot'"),
        (dict(temperature=0), "decode='argmax'"),
        (dict(temperature=-1), "temperature must be above 0"),
        (dict(steps=20), "whole bars of 16, not n=8, steps=20"),
        (dict(seed="one"), "seed must be"),
        (dict(model="note_cnn"), "load_pretrained"),
    ],
)
def test_generate_says_what_is_wrong(asked, words):
    with pytest.raises(ValueError, match=words):
        generate(**{"model": new_note_cnn(0, channels=4, hidden=4), **asked})
