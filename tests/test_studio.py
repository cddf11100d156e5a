"""The studio without a browser: what the page is given, and what the kernel answers."""

import base64
import json
import re
import shutil
import sys
import warnings

import nbformat
import numpy as np
import pytest
import safetensors.torch
import torch
import traitlets
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from drum_qtuner import studio
from drum_qtuner.beat import REST, Beat
from drum_qtuner.codec import KitCodec
from drum_qtuner.decoding import generate
from drum_qtuner.fit import weights
from drum_qtuner.grooves import GROOVES
from drum_qtuner.hits import HitsGRU
from drum_qtuner.note_cnn import NoteCNN, new_note_cnn
from drum_qtuner.sound import beat_data, beat_from_data
from drum_qtuner.store import WEIGHTS, load_pretrained, new_network, pretrained
from drum_qtuner.studio import (
    HOME,
    ON_REQUEST,
    Studio,
    all_scores,
    architecture,
    shipped,
    static_studio,
    studio_page,
    weights_asset,
)
from drum_qtuner.web import is_watched

BEAT = Beat.from_classes([0, 9, 6, 9, 1, 9, 6, 9] * 4, 97.5)
STORE = sys.modules[pretrained.__module__]  # where WEIGHTS is looked up


KINDS = {
    "drummer": ("drummer", "patterns"),
    "dqn-0.1": ("conv", "action value"),
    "tuned": ("gru", "classes"),
}


class Loop:
    "Always wants the class after the last one; nothing at all: a bass drum."

    def scores(self, prefix):
        last = prefix[:, -1] if prefix.shape[1] else torch.full((len(prefix),), 9)
        return torch.eye(10)[(last + 1) % 10] * 50


def test_asset_holds_every_weight_as_half_float():
    asset = json.loads(json.dumps(weights_asset()))
    numbers = np.frombuffer(base64.b64decode(asset["float16"]), "<f2")
    names = [card["name"] for card in asset["models"]]
    assert names[:2] == ["drummer", "note_cnn"] and sorted([*names, *ON_REQUEST]) == pretrained()
    at = 0
    for card in asset["models"]:
        kind, outputs = KINDS.get(card["name"], ("conv", "classes"))
        model = load_pretrained(card["name"])
        assert card["architecture"].items() >= dict(type=kind, outputs=outputs).items()
        for name, size in model.sizes.items():
            held = card["architecture"][name]
            assert held.items() >= size.items() if isinstance(size, dict) else held == size
        tensors = {n: w for n, w in weights(model).items() if not n.startswith("filling.")}
        assert dict(card["tensors"]) == {n: value.numel() for n, value in tensors.items()}
        for name, count in card["tensors"]:
            value = tensors[name].half().numpy().ravel()
            assert np.array_equal(numbers[at : at + count], value), name
            at += count
    assert at == len(numbers)


def test_all_scores_are_those_of_one_pass():
    "The models' own `all_scores` compute the same in another way."
    for seed, steps in ((0, 32), (1, 48)):
        classes = np.random.default_rng(seed).integers(10, size=steps)
        for model in (load_pretrained("note_cnn"), load_pretrained("gru")):
            with torch.no_grad():
                one_pass = model.all_scores(torch.tensor(classes)[None])[0].numpy()
            assert np.abs(all_scores(model, classes) - one_pass).max() < 1e-4


def test_page_is_small_whole_and_fetches_nothing(tmp_path):
    page = studio_page(tmp_path / "sub/studio.html", BEAT)
    assert (tmp_path / "sub/studio.html").read_text(encoding="utf-8") == page
    assert len(page.encode()) < 1_000_000
    addresses = {"http://www.w3.org/2000/svg", HOME}  # a name, and where links may lead
    assert set(re.findall(r"https?://[\w./-]+", page)) <= addresses
    assert static_studio(BEAT)._repr_html_() in page
    assert len(studio_page(beat=BEAT, models=["note_cnn"])) < 280_000


def test_page_with_an_unknown_model():
    with pytest.raises(ValueError, match="no model 'dreamer' in this studio"):
        static_studio(BEAT, "dreamer")
    with pytest.raises(ValueError, match="no model 'dreamer'"):
        static_studio(BEAT, "dreamer", ["dreamer"])


class Own(NoteCNN):
    "A Note-CNN that rates the steps in its own way."

    def scores(self, prefix):
        return -super().scores(prefix)


def test_a_model_that_no_page_can_compute_plays_in_the_kernel_alone():
    assert architecture(Own()) is None and architecture(Loop()) is None
    with pytest.raises(ValueError, match="own cannot play on a page"):
        static_studio(BEAT, "own", {"own": Own()})
    (card,) = weights_asset({"own": Own()})["models"]
    assert card["architecture"] is None and card["tensors"] == []
    studio = Studio("own", BEAT, {"own": Own()})
    assert len(studio.answer("scores", "own", tokens=[0, 9])["rows"]) == 3


def test_a_foreign_and_a_damaged_file_do_not_break_the_studio(tmp_path, monkeypatch):
    for name in ("note_cnn", "dqn-0.1"):
        for end in (".safetensors", ".json"):
            shutil.copy(WEIGHTS / f"{name}{end}", tmp_path)
    whole = (WEIGHTS / "dqn-0.3.safetensors").read_bytes()
    for name, content in {"damaged": whole[:5000], "empty": b"", "words": b"not a model"}.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
        shutil.copy(WEIGHTS / "dqn-0.3.json", tmp_path / f"{name}.json")
    safetensors.torch.save_file({"x": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    shutil.copy(WEIGHTS / "dqn-0.3.json", tmp_path / "foreign.json")
    monkeypatch.setattr(STORE, "WEIGHTS", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(Studio(beat=BEAT).models) == ["note_cnn", "dqn-0.1"]
        page = studio_page(beat=BEAT)
    assert '"name":"dqn-0.1"' in page and '"name":"foreign"' not in page
    names = ["damaged", "dqn-0.1", "foreign", "note_cnn"]
    monkeypatch.setattr(studio, "pretrained", lambda: names)  # however they came to be listed
    with pytest.warns(UserWarning, match="left out of the studio") as told:
        assert list(shipped()) == ["note_cnn", "dqn-0.1"]
    assert len(told) == 2


def test_beat_goes_out_and_comes_back():
    rng = np.random.default_rng(0)
    velocity = rng.integers(128, size=(48, 9)) * (rng.random((48, 9)) < 0.3)
    beat = Beat(velocity, rng.uniform(-0.5, 0.499, size=(48, 9)), 123)
    assert beat_from_data(json.loads(json.dumps(beat_data(beat)))) == beat


def test_studio_answers_for_any_model():
    studio = Studio(models={"loop": Loop()})
    assert studio.model == "loop" and list(studio.models) == ["loop", *Studio().models]
    assert studio.beat.classes().tolist() == [
        (studio.beat.classes()[0] + t) % 10 for t in range(32)
    ]
    question = dict(id="a", ask="scores", model="loop", tokens=[3, 4])
    assert np.argmax(studio.reply(question)["answer"]["rows"], 1).tolist() == [0, 4, 5]
    given = beat_data(Beat.from_classes([7] + [REST] * 15, 97.5))
    settings = dict(decode="argmax", temperature=1, steps=16, seed=0)
    question = dict(id="b", ask="generate", model="loop", given=given, keep=1, **settings)
    reply = json.loads(json.dumps(studio.reply(question)))
    assert reply["id"] == "b"
    assert beat_from_data(reply["answer"]).classes().tolist() == [(7 + t) % 10 for t in range(16)]
    new = studio.answer("generate", "loop", given=None, keep=None, **settings)
    assert beat_from_data(new).classes()[1] == (beat_from_data(new).classes()[0] + 1) % 10


def test_what_is_kept_comes_out_of_the_kernel_as_it_was():
    rng = np.random.default_rng(0)
    velocity = rng.integers(1, 128, size=(32, 9)) * (rng.random((32, 9)) < 0.3)
    human = Beat(velocity, np.where(velocity, rng.integers(-400, 400, (32, 9)) / 960, 0), 93)
    for keep in (0, 5, 8, 32):
        settings = dict(given=beat_data(human), keep=keep, steps=32, seed=1)
        beat = beat_from_data(Studio(beat=human).answer("generate", "note_cnn", **settings))
        assert np.array_equal(beat.velocity[:keep], human.velocity[:keep])
        assert np.array_equal(beat.offset[:keep], human.offset[:keep])
        primer = human.classes()[:keep]
        alone = generate(load_pretrained("note_cnn"), 1, primer=primer, seed=1)[0]
        assert np.array_equal(beat.classes()[keep:], alone.classes()[keep:])


def test_studio_reports_a_model_that_fails():
    diverged = new_note_cnn(seed=0)
    torch.nn.init.constant_(diverged.output.bias, float("nan"))
    studio = Studio("note_cnn", BEAT, {"diverged": diverged, "small": NoteCNN(classes=3)})
    reply = studio.reply(dict(id=1, ask="scores", model="diverged", tokens=[0]))
    assert reply["id"] == 1 and "scores that are not finite" in reply["error"]
    assert "error" in studio.reply(dict(id=2, ask="scores", model="small", tokens=[9]))
    reply = studio.reply(dict(id=3, ask="scores", model="small", tokens=[1]))
    assert "rates 3 things and not the 10 classes" in reply["error"]
    assert "error" in studio.reply(dict(id=4, ask="dance", model="small"))


def test_the_kernel_plays_the_whole_kit():
    "Chances of each drum; a style; steps that stay in the middle; a loop that goes on."
    kit, funk = new_network(HitsGRU, 0), GROOVES["funk"]
    studio = Studio("kit", funk, {"kit": kit})
    tokens = KitCodec().encode(funk).tolist()
    answer = studio.answer("scores", "kit", tokens=tokens, style="funk", bpm=funk.bpm)
    assert np.shape(answer["rows"]) == (33, 10) and np.shape(answer["surprise"]) == (32,)
    settings = dict(given=beat_data(funk), bpm=100, style="jazz", seed=1)
    keep = [step % 4 != 2 for step in range(32)]
    varied = beat_from_data(studio.answer("generate", "kit", keep=keep, steps=32, **settings))
    stays = np.array(keep)
    assert np.array_equal(varied.velocity[stays], funk.velocity[stays])
    assert not np.array_equal(varied.velocity[~stays] > 0, funk.velocity[~stays] > 0)
    longer = beat_from_data(studio.answer("generate", "kit", keep=32, steps=64, **settings))
    assert np.array_equal(longer.velocity[:32], funk.velocity) and longer.velocity[32:].any()
    reply = studio.reply(dict(id=1, ask="scores", model="kit", tokens=tokens, style="polka"))
    assert "no style 'polka'" in reply["error"]


def test_studio_beat_can_be_read_set_and_observed():
    studio, seen = Studio(beat=BEAT), []
    studio.observe(lambda change: seen.append((change.old, change.new)), "beat")
    other = generate(load_pretrained("note_cnn"), 1, seed=5)[0]
    studio.beat = other
    assert seen == [(BEAT, other)] and studio.beat == other
    assert studio.get_state("beat") == {"beat": beat_data(other, "beat")}
    with pytest.raises(traitlets.TraitError):
        studio.beat = [0, 1]
    studio.set_state({"beat": beat_data(BEAT)})  # what a click sends
    assert studio.beat == BEAT and len(seen) == 2


def test_studio_with_an_unknown_model():
    with pytest.raises(ValueError, match="no model 'dreamer'; there are drummer, note_cnn, cnn"):
        Studio("dreamer")


def test_stored_notebook_shows_no_widget_and_fetches_none(tmp_path):
    assert not is_watched()
    cells = ["from drum_qtuner.studio import Studio", "Studio()"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(
        notebook, resources={"metadata": {"path": str(tmp_path)}}, kernel_name="python3"
    ).execute()
    (output,) = notebook.cells[1].outputs
    assert (
        set(output.data) == {"text/plain", "text/html"}
        and "live studio" in output.data["text/html"]
    )
    assert "widgets" not in notebook.metadata
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert "html-manager" not in page and "widget-view" not in page
