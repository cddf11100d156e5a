"""Learn deep reinforcement learning by teaching a small network to drum."""

__version__ = "0.1.0"

from importlib import import_module

from . import beat_player as _beat_player  # noqa: F401 (a beat shows itself as a player ...)
from . import midi as _midi  # noqa: F401 (... and comes from MIDI files: both are methods of Beat)
from .extras import names_extra

# The public names and the modules that hold them. A module is imported when one of its names is
# first used, so that `import drum_qtuner` stays quick.
_names = {
    "lesson": ["expect", "sealed"],
    "beat": ["Beat", "Drum", "KIT", "REST", "CLASS_OF_PITCH"],
    "maps": ["MAPS"],
    "grooves": ["GROOVES"],
    "sound": ["render"],
    "pictures": ["roll"],
    "notation": ["score"],
    "beat_player": ["player"],
    "preprocessing": ["Clips", "load_clips"],
    "store": ["register", "save", "load", "load_pretrained"],
    "decoding": ["generate"],
    "form": ["variations"],
    "touch": ["humanise"],
    "note_cnn": ["NoteCNN", "train"],
    "rewards": ["LogProbability"],
    "percussion": ["percussion_theory"],
    "dqn_tuning": ["QNetwork", "tune"],
    "soft_tuning": ["soft_tune", "tune_to_real"],
    "fast_tuning": ["fast_tune", "fast_tune_many"],
    "batched_tuning": ["tune_many"],
    "panel": ["evaluate"],
    "listening": ["ListeningTest"],
    "studio": ["Studio"],
    "sweeps": ["sweep"],
    "runs": ["run"],
}
_module_of = {name: module for module, names in _names.items() for name in names}
__all__ = list(_module_of)

# The models that `load` knows: the classes that are registered, and the modules that do it.
# A new family of models is one notebook and one line here.
MODELS = {"NoteCNN": "note_cnn", "DrumGRU": "gru", "HitsGRU": "hits", "Drummer": "drummer", "QNetwork": "dqn_tuning", "Judge": "judge"}


def import_model(name):
    "Import the module that registers the model class `name`."
    import_module(f"drum_qtuner.{MODELS[name]}")


@names_extra
def __getattr__(name):
    "The public `name`, from the module that holds it."
    if name not in _module_of:
        raise AttributeError(f"module 'drum_qtuner' has no attribute '{name}'")
    return getattr(import_module(f"drum_qtuner.{_module_of[name]}"), name)


def __dir__():
    return sorted([*globals(), *__all__])
