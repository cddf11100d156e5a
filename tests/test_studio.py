"""The studio without a browser: what the page is given, what the kernel answers, and what a stored notebook keeps."""

import base64
import json
import re

import nbformat
import numpy as np
import pytest
import torch
import traitlets
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from drum_qtuner.beat import Beat
from drum_qtuner.note_cnn import (
    NoteCNN,
    all_logits,
    generate,
    load_pretrained,
    new_note_cnn,
    weights,
)
from drum_qtuner.sound import beat_data
from drum_qtuner.studio import (
    MODELS,
    Studio,
    _beat,
    all_scores,
    is_watched,
    static_studio,
    studio_page,
    weights_asset,
)

BEAT = Beat.from_classes([0, 9, 6, 9, 1, 9, 6, 9] * 4, 97.5)


def test_asset_holds_every_weight_as_half_float():
    asset = json.loads(weights_asset())
    numbers = np.frombuffer(base64.b64decode(asset["float16"]), "<f2")
    assert [card["name"] for card in asset["models"]] == list(MODELS)
    at = 0
    for card in asset["models"]:
        assert card["kind"] == ("NoteCNN" if card["name"] == "note_cnn" else "QNetwork")
        for name, value in weights(load_pretrained(card["name"])).items():
            assert np.array_equal(numbers[at : at + value.numel()], value.half().numpy().ravel()), (
                name
            )
            at += value.numel()
    assert at == len(numbers)


def test_all_scores_are_those_of_one_pass():
    "`all_logits` of note_cnn computes the same in another way."
    for seed, steps in ((0, 32), (1, 48)):
        classes = np.random.default_rng(seed).integers(10, size=steps)
        model = load_pretrained("note_cnn")
        with torch.no_grad():
            one_pass = all_logits(model, torch.tensor(classes)[None])[0].numpy()
        assert np.abs(all_scores(model, classes) - one_pass).max() < 1e-4


def test_page_is_small_whole_and_fetches_nothing(tmp_path):
    page = studio_page(tmp_path / "sub/studio.html", BEAT)
    assert (tmp_path / "sub/studio.html").read_text(encoding="utf-8") == page
    assert len(page.encode()) < 900_000
    assert set(re.findall(r"https?://[\w./]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert static_studio(BEAT)._repr_html_() in page
    assert len(studio_page(beat=BEAT, names=["note_cnn"])) < 250_000


def test_page_with_an_unknown_model():
    with pytest.raises(ValueError, match="no model 'drummer' in this studio"):
        static_studio(BEAT, "drummer")
    with pytest.raises(ValueError, match="no model 'drummer'"):
        static_studio(BEAT, "drummer", ["drummer"])


def test_beat_goes_out_and_comes_back():
    rng = np.random.default_rng(0)
    velocity = rng.integers(128, size=(48, 9)) * (rng.random((48, 9)) < 0.3)
    beat = Beat(velocity, rng.uniform(-0.5, 0.499, size=(48, 9)), 123)
    assert _beat(json.loads(json.dumps(beat_data(beat)))) == beat


def test_studio_answers_for_any_model():
    class Loop:
        "Always wants the class after the last one; nothing at all: a bass drum."

        def scores(self, prefix):
            last = prefix[:, -1] if prefix.shape[1] else torch.full((len(prefix),), 9)
            return torch.eye(10)[(last + 1) % 10] * 50

    studio = Studio(models={"loop": Loop()})
    assert studio.model == "loop" and list(studio.models) == ["loop", *Studio().models]
    assert studio.beat.classes().tolist() == [
        (studio.beat.classes()[0] + t) % 10 for t in range(32)
    ]
    rows = studio.answer(dict(id="a", ask="scores", model="loop", classes=[3, 4]))["answer"]
    assert np.argmax(rows, 1).tolist() == [0, 4, 5]
    reply = studio.answer(
        dict(
            id="b",
            ask="generate",
            model="loop",
            decode="argmax",
            temperature=1,
            primer=[7],
            steps=16,
            seed=0,
        )
    )
    assert reply == dict(id="b", answer=[(7 + t) % 10 for t in range(16)])


def test_studio_reports_a_model_that_fails():
    diverged = new_note_cnn(seed=0)
    torch.nn.init.constant_(diverged.output.bias, float("nan"))
    studio = Studio("note_cnn", BEAT, {"diverged": diverged, "small": NoteCNN(classes=3)})
    reply = studio.answer(dict(id=1, ask="scores", model="diverged", classes=[0]))
    assert reply == dict(id=1, error="ValueError: diverged gives scores that are not finite")
    assert "error" in studio.answer(dict(id=2, ask="scores", model="small", classes=[9]))


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
    with pytest.raises(ValueError, match="no model 'drummer'; there are note_cnn, dqn-0.01"):
        Studio("drummer")


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
