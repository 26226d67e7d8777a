"""What can be asked of classifiers that are trained with several losses, and under which key."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.networks import Tuning
from core.recipes import derive
from jobs.specs import ADD_WEIGHTS, SETTINGS, DatasetRef, EmbedAudio, LossGrid, LossNetworkGrid, SpecError
from jobs.tasks.loss_training import head_recipes

REF = DatasetRef("sounds", "a" * 64)
SPACE = EmbedAudio(dataset=REF, encoder="melstats")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"losses": ()}, "give at least one, each once"),
        ({"losses": ("ce", "ce")}, "give at least one, each once"),
        ({"losses": ("hinge",)}, "'hinge' is not a known loss; give one of ce, focal, opl, add, add-soft"),
        ({"add_weights": ((1.0, 1.0),)}, "at least one setting of 4 weights"),
        ({"add_weights": ()}, "at least one setting of 4 weights"),
        ({"add_weights": ((1.0, 1.0, 1.0, -1.0),)}, "weight is -1.0"),
        ({"mixup": 0.5}, "labels are soft, which focal, opl, add cannot take"),
        ({"variant": "new"}, "variant is 'new'; it must be one of paper, released"),
        ({"optimizer": "adam"}, "optimizer is 'adam'; it must be one of adamw, sgd"),
        ({"folds": 1}, "folds is 1"),
        ({"seeds": 0}, "seeds is 0"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number"),
        ({"betas": (0.9, 1.0)}, "betas are"),
        ({"held_out": (1, 1)}, "name each fold once"),
        ({"seeds": 100}, "These are 900 models a fold"),
    ],
)
def test_a_spec_says_what_is_wrong(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message.replace("(", r"\(")):
        LossGrid(embedding=SPACE, labels="c" * 64, **given)


def test_what_has_no_use_does_not_split_the_key() -> None:
    plain = LossGrid(embedding=SPACE, labels="c" * 64, losses=("ce",))
    assert replace(plain, add_weights=((1.0, 0.0, 0.0, 0.0),)).key == plain.key
    assert replace(plain, epochs=24).key != plain.key
    network = LossNetworkGrid(dataset=REF, labels="c" * 64)
    assert replace(network, decay=0.5).key == network.key
    assert replace(network, schedule="decay", decay=0.5).key != replace(network, schedule="decay").key
    assert replace(network, taper="povey").key != network.key


def test_kept_epochs_begin_before_the_first_and_end_with_the_last() -> None:
    for epochs in (1, 2, 11, 12, 25, 300):
        for keep in (2, 3, 12):
            found = LossGrid(embedding=SPACE, labels="c" * 64, epochs=epochs, keep=keep).kept_epochs
            assert found[0] == 0
            assert found[-1] == epochs
            assert len(found) == min(keep, epochs + 1)
            assert (np.diff(found) > 0).all()


def test_settings_are_those_of_table_1() -> None:
    for name, options in SETTINGS.items():
        spec = LossNetworkGrid(dataset=REF, labels="c" * 64, **options)
        source, network, dataset = name.split("-")
        assert spec.batch_size == {"ast": 32, "beats": 16}[network]
        assert bool(spec.mixup) == (dataset == "ks2")
        swapped = (source == "released") == (network == "ast")
        assert spec.optimizer == ("adam" if swapped else "adamw")
        assert spec.betas == ((0.95, 0.999) if swapped else (0.9, 0.98))
        assert spec.weight_decay == (5e-6 if swapped else 1e-2)
        masks = {"beats": (0, 0), "ast": (48, 48) if dataset == "ks2" else (24, 96)}[network]
        assert (spec.frequency_mask, spec.time_mask) == masks
        hann = network == "ast" or name == "released-beats-iemocap"
        assert spec.taper == ("hann" if hann else "povey")
        assert spec.variant == source
    rates = [
        SETTINGS[f"paper-{network}-{dataset}"]["learning_rate"]
        for network in ("ast", "beats")
        for dataset in ("esc50", "ks2", "iemocap")
    ]
    assert rates == [7e-4, 6e-5, 7e-4, 8e-6, 1e-4, 8e-6]


#: Of the released configurations: learning rate, epochs, the first and the last of the epochs after which a
#: step decay sets in and its factor, and whether it is a cosine instead.
RELEASED: dict[str, tuple[float, int, range, float, bool]] = {
    "ast-esc50": (6.7e-6, 25, range(5, 25), 0.85, False),
    "ast-ks2": (6.25e-5, 30, range(5, 30), 0.85, False),
    "ast-iemocap": (6.7e-6, 25, range(5, 25), 0.85, False),
    "beats-esc50": (8e-6, 25, range(50, 76, 25), 0.1, True),
    "beats-ks2": (1e-4, 30, range(50, 76, 25), 0.1, False),
    "beats-iemocap": (8e-6, 25, range(50, 76, 25), 0.1, True),
}


@pytest.mark.parametrize("name", RELEASED)
def test_released_settings_have_the_rates_of_the_released_code(name: str) -> None:
    """Written anew from how that code sets the rate before an epoch, and over that before a step."""
    full, epochs, drops, factor, cosine = RELEASED[name]

    def before_epoch(epoch: int) -> float:
        if cosine:
            least = full * factor**3
            return least + (full - least) * (1 + math.cos(math.pi * epoch / epochs)) / 2
        return full * factor ** sum(epoch > drop for drop in drops)

    spec = LossNetworkGrid(dataset=REF, labels="c" * 64, **SETTINGS[f"released-{name}"])
    tuning = derive(Tuning, spec)
    steps, warm = 7, 5
    assert spec.epochs == epochs
    for epoch in range(1, epochs + 1):
        for step in range(1, steps + 1):
            expected = before_epoch(epoch)
            if epoch <= warm:
                to = before_epoch(warm) if cosine else full
                share = (step + (epoch - 1) * steps) / (warm * steps)
                expected = 1e-5 + share * (to - 1e-5)
            found = tuning.rate(spec.learning_rate, epoch, epochs, step / steps)
            assert found == pytest.approx(expected, rel=1e-12), (epoch, step)


def test_released_settings_tell_classes_apart_one_by_one_where_clips_are_mixed() -> None:
    for name, options in SETTINGS.items():
        spec = LossNetworkGrid(dataset=REF, labels="c" * 64, **options)
        mixed = name.startswith("released") and name.endswith("ks2")
        assert {recipe.entropy for recipe in head_recipes(spec)} == {"sigmoid" if mixed else "softmax"}


def test_recipes_have_the_losses_own_options() -> None:
    spec = LossGrid(
        embedding=SPACE, labels="c" * 64, variant="released", focal_gamma=0.0, opl_gamma=2.0, opl_weight=0.1
    )
    ce, focal, opl, *adds = head_recipes(spec)
    assert (focal.gamma, opl.gamma, opl.loss_weight, adds[0].loss_weight) == (0, 2, 0.1, 1)
    assert {r.variant for r in (ce, focal, opl, *adds)} == {"released"}
    assert [a.weights for a in adds] == list(ADD_WEIGHTS)


def test_settings_that_differ_have_names_that_differ() -> None:
    weights = ((1.0, 0.1234567, 0.0, 0.0), (1.0, 0.1234568, 0.0, 0.0), (1.0, 0.5, 0.0, 1.0))
    spec = LossGrid(embedding=SPACE, labels="c" * 64, losses=("add",), add_weights=weights)
    names = [recipe.name for recipe in spec.recipes]
    assert names == ["ADD (1, 0.1234567, 0, 0)", "ADD (1, 0.1234568, 0, 0)", "ADD (1, 0.5, 0, 1)"]
