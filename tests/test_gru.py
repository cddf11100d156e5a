"""The GRU: its size, what it sees and what it must not see, its training, and how it plays."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from test_models import Stop, same, some_clips, stop_at
from threadpoolctl import threadpool_limits

from drum_qtuner.beat import Beat
from drum_qtuner.cli import main
from drum_qtuner.decoding import generate
from drum_qtuner.fit import CheckpointError, network_hash
from drum_qtuner.gru import DrumGRU, new_gru, sights, train_gru
from drum_qtuner.note_cnn import TrainSettings, loss, new_note_cnn, train
from drum_qtuner.playing import PlayingDrumGRU
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.store import load, load_pretrained, pretrained, save


def beats(n: int = 3, steps: int = 32, seed: int = 0) -> torch.Tensor:
    "Random class sequences."
    return torch.from_numpy(np.random.default_rng(seed).integers(10, size=(n, steps)))


def lively(seed: int = 0, **sizes) -> DrumGRU:
    "A network whose answers differ widely."
    model = new_gru(seed, **sizes)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model.eval()


def test_it_has_as_many_parameters_as_the_formula_says():
    "Three gates that read sights and memory, two biases each; ten outputs that read both too."
    gates = 3 * 95 * (10 + 10 + 32) + 3 * 95 * 95 + 2 * 3 * 95
    outputs = 10 * (95 + 10 + 10 + 32) + 10
    counted = [sum(p.numel() for p in new(0).parameters()) for new in (new_gru, new_note_cnn)]
    assert counted == [gates + outputs, 44_074] and gates + outputs == 43_945 <= 44_074


def naive_scores(model, prefix: list[int]) -> np.ndarray:
    "The equations of Cho et al. (2014) in torch's form, a number at a time, in float64."
    w = {name: value.double().numpy() for name, value in model.state_dict().items()}
    hidden = model.sizes["hidden"]
    memory = np.zeros(hidden)
    for t in range(len(prefix) + 1):
        x = np.zeros(2 * model.classes + model.steps)
        if t >= 1:
            x[prefix[t - 1]] = 1
        if t >= 16:
            x[model.classes + prefix[t - 16]] = 1
        x[2 * model.classes + t % model.steps] = 1
        i = w["gru.weight_ih_l0"] @ x + w["gru.bias_ih_l0"]
        h = w["gru.weight_hh_l0"] @ memory + w["gru.bias_hh_l0"]
        r, z = (1 / (1 + np.exp(-(i + h)[k * hidden : (k + 1) * hidden])) for k in (0, 1))
        n = np.tanh(i[2 * hidden :] + r * h[2 * hidden :])
        memory = (1 - z) * n + z * memory
    return w["output.weight"] @ np.concatenate([memory, x]) + w["output.bias"]


@pytest.mark.parametrize("sizes", [{}, dict(hidden=7, classes=4, steps=16)])
@torch.no_grad()
def test_all_ways_to_ask_say_the_same(sizes):
    "`all_scores`, `scores`, the decoder step by step, and the equations; four bars, from nothing."
    model = lively(**sizes)
    prefix = beats(2, 64) % model.classes
    decoder, rows = model.incremental(2), model.all_scores(prefix)
    assert rows.shape == (2, 65, model.classes)
    torch.testing.assert_close(model.all_scores(prefix, 8), rows[:, 8:], rtol=0, atol=1e-5)
    for t in (0, 1, 2, 15, 16, 17, 31, 32, 33, 48, 64):
        torch.testing.assert_close(model.scores(prefix[:, :t]), rows[:, t], rtol=0, atol=1e-4)
        heard = decoder(prefix[:, :t].numpy())
        assert np.abs(heard - rows[:, t].numpy()).max() < 1e-4
        assert np.array_equal(heard, decoder(prefix[:, :t].numpy()))  # asked again
        naive = naive_scores(model, prefix[0, :t].tolist())
        assert np.abs(naive - rows[0, t].numpy()).max() < 1e-4


@torch.no_grad()
def test_it_does_not_look_into_the_future():
    "Who changes a step changes nothing that was said before, and all that is said right after."
    model, played = lively(), beats(1)
    before = model.all_scores(played)[0]
    for step in (0, 7, 15, 16, 31):
        other = played.clone()
        other[0, step] = (other[0, step] + 1) % 10
        changed = (model.all_scores(other)[0] != before).any(1)
        assert not changed[: step + 1].any() and changed[step + 1]


@torch.no_grad()
def test_it_looks_one_bar_back():
    "Without a memory it sees two steps: the last one and the one a bar before the next."
    model = lively()
    for name, weight in model.named_parameters():
        if name.startswith("gru"):
            weight.zero_()
    played = beats(1)
    before = model.scores(played[:, :20])
    for step in range(20):
        other = played[:, :20].clone()
        other[0, step] = (other[0, step] + 1) % 10
        assert torch.equal(model.scores(other), before) == (step not in (19, 20 - 16))


def test_places_come_round_after_two_bars():
    seen = sights(torch.full((1, 70), 9))[0]
    assert torch.equal(seen[33], seen[65]) and not torch.equal(seen[33], seen[49])
    assert seen.shape == (71, 52) and seen[0].nonzero().tolist() == [[20]]


def test_both_classes_answer_for_a_whole_sequence():
    "Code that needs every row asks any of them in the same way."
    for model in (new_note_cnn(0), new_gru(0)):
        rows, played = model.all_scores(beats()), beats()
        assert rows.shape == (3, 33, 10)
        torch.testing.assert_close(rows[:, -1], model.scores(played))
        torch.testing.assert_close(model.all_scores(played[:, :0])[:, 0], rows[:, 0])
        nats = F.cross_entropy(rows[:, 8:32].flatten(0, 1), played[:, 8:].flatten())
        torch.testing.assert_close(loss(model, played), nats)


@pytest.mark.parametrize(
    "prefix, words",
    [
        ([[0, 9]], "are a tensor of classes"),
        (torch.zeros(1, 3), "add .long()"),
        (torch.tensor([0, 9]), "write prefix[None]"),
        (torch.tensor([[0, 10]]), "knows the classes 0 to 9, and the beat has a 10"),
        (torch.tensor([[-1]]), "has a -1"),
    ],
)
def test_wrong_prefixes_are_named(prefix, words):
    for ask in (new_gru(0).scores, new_gru(0).all_scores):
        with pytest.raises(ValueError, match="steps so far|classes") as told:
            ask(prefix)
        assert words in str(told.value)


@pytest.mark.parametrize(
    "sizes", [dict(hidden=0), dict(hidden=2.5), dict(steps="32"), dict(classes=True)]
)
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes are 1 or more, whole numbers, not"):
        DrumGRU(**sizes)


def test_wrong_settings_are_refused():
    for wrong in (dict(dropout=1.0), dict(dropout="some"), dict(weight_decay=-1)):
        with pytest.raises(ValueError, match="dropout must be from 0 to below 1, and weight_decay"):
            train_gru(some_clips(), **wrong)


SMALL = dict(clips_shown=640, batch_size=16, hidden=12)


def test_training_is_repeated_and_resumed_to_the_same_bits(tmp_path):
    "Dropout draws and the falling rate go on where they stopped; nobody else's draws matter."
    train_small = partial(train_gru, some_clips(), some_clips(20, 1), **SMALL)
    state = torch.get_rng_state()
    whole, curve = train_small()
    assert torch.equal(torch.get_rng_state(), state)
    file = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        train_small(checkpoint=file, callback=stop_at(23))
    torch.manual_seed(99)
    resumed, again = train_small(checkpoint=file)
    assert same(whole, resumed) and curve.equals(again)
    assert not same(whole, train_small(seed=1)[0])
    assert not same(whole, train_small(dropout=0.0)[0])
    with pytest.raises(CheckpointError, match="dropout = 0.4, not 0.2"):
        train_small(checkpoint=file, dropout=0.2)
    assert curve["valid_loss"].iloc[-1] < curve["valid_loss"].iloc[0]


def test_the_note_cnn_is_trained_as_ever():
    "What the settings that came with the GRU leave alone: plain Adam at one rate, by hand."
    clips, s = some_clips(), TrainSettings(96, 8)
    by_hand = new_note_cnn(0)
    optimizer = torch.optim.Adam(by_hand.parameters(), 1e-3)
    for rows in np.random.default_rng(0).integers(len(clips), size=(s.updates, 7)):
        optimizer.zero_grad()
        loss(by_hand, clips[rows]).backward()
        optimizer.step()
    trained, _ = train(clips, clips_shown=7 * s.updates, batch_size=7)
    assert same(trained, by_hand)


def ways_to_begin() -> dict:
    "Options of `generate`: from nothing, greedily, from a primer, around what is kept; long beats."
    given = Beat.from_classes([0, 9, 6, 9, 1, 9, 6, 9] * 4)
    return {
        "a random step": {},
        "nothing": dict(primer=[]),
        "argmax": dict(decode="argmax"),
        "a primer": dict(primer=[0, 9, 6, 9, 1]),
        "a bar kept": dict(given=given, keep=16),
        "some drums kept": dict(given=given, keep=np.eye(32, 9) == 0),
        "four bars": dict(steps=64, temperature=0.8),
    }


@pytest.mark.parametrize("options", ways_to_begin().values(), ids=ways_to_begin())
def test_beats_are_the_same_with_and_without_torch(options, tmp_path):
    "The decoder in numpy, on one thread or two, and torch's own GRU through `scores`."
    model = load_pretrained("gru")
    player = load_pretrained("gru", only_play=True)
    assert isinstance(player, PlayingDrumGRU) and list(player.weights) == list(model.state_dict())

    class Plain(DrumGRU):
        def incremental(self, n):
            return None

    plain = Plain(**model.sizes)
    plain.load_state_dict(model.state_dict())
    beats = generate(plain.eval(), 20, seed=3, **options)
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert generate(model, 20, seed=3, **options) == beats
            assert generate(player, 20, seed=3, **options) == beats


def test_the_shipped_network_is_what_its_card_says():
    "Nats on the official splits, and the number of clips; better than the Note-CNN on both."
    model, cnn = load_pretrained("gru"), load_pretrained("note_cnn")
    card, clips = model.card, load_clips(split="all", verbose=False)
    assert card["data"]["hash"] == clips.origin.hash and card["settings"]["first_step"] == 0
    for split, key in (("validation", "valid_loss"), ("test", "test_loss")):
        classes = clips.split(split).classes
        with torch.no_grad():
            whole, late, theirs = loss(model, classes, 0), loss(model, classes), loss(cnn, classes)
        assert abs(whole.item() - card[key]) < 1e-3
        assert abs(late.item() - card["from_step_8"][key]) < 1e-3
        assert late < theirs


def test_it_comes_back_from_a_file_as_it_was(tmp_path):
    path = save(lively(hidden=9), tmp_path / "mine.safetensors", {"name": "mine"})
    assert network_hash(load(path)) == network_hash(lively(hidden=9))
    heard = load(path, only_play=True).scores(beats().numpy())
    with torch.no_grad():
        assert np.abs(heard - load(path).scores(beats()).numpy()).max() < 1e-4


def test_the_command_plays_it_and_names_every_network(tmp_path):
    runner = CliRunner()
    words = ["generate", "--model", "gru", "--n", "2", "--seed", "4", "--out", str(tmp_path)]
    done = runner.invoke(main, words)
    assert done.exit_code == 0, done.output
    made = generate(load_pretrained("gru"), 2, seed=4)
    read = [Beat.from_midi(tmp_path / f"gru-0{i}.mid").classes().tolist() for i in (1, 2)]
    assert read == [beat.classes().tolist() for beat in made]
    told = runner.invoke(main, ["generate", "--help"]).output.replace("\n", " ")
    assert all(f" {name}," in told for name in pretrained())
