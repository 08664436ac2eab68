from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data.images import read_images
from automl.data.pack import read_index
from automl.data.store import StoreFacts, open_pixels, write_facts
from automl.data.weights import relative, write_weights
from automl.errors import StageFailed
from automl.records import Picked
from automl.stages import trial
from automl.stages.trial import run_trial
from automl.types import Epoch, FitSettings
from tests.conftest import MakeContext
from tests.stages.trained_bars import SETTINGS, up_to_training


@pytest.fixture
def arguments(make_context: MakeContext, bars_dataset: Path) -> dict[str, Any]:
    """What tune hands to a trial, through JSON as it goes."""
    ctx = up_to_training(make_context, bars_dataset)
    said = {
        "number": 3,
        "values": {"learning_rate": 3e-3},
        "settings": asdict(replace(SETTINGS, epochs=4)),
        "network": asdict(ctx.record(Picked).network),
        "own": str(ctx.folder.backbones),
        "start": str(ctx.input("pick", "first/model.weights.h5")),
        "pixels": str(ctx.input("check", "pixels-16")),
        "pack": str(ctx.folder.stage("pack")),
        "folder": str(ctx.folder.stage("tune") / "trial-3"),
        "seed": 1,
        "stop_at": None,
        "task": "classification",
    }
    return json.loads(json.dumps(said))


def test_a_trial_says_how_its_best_epoch_did_and_writes_it_down(arguments: dict[str, Any]) -> None:
    result = run_trial(arguments)

    epochs = [Epoch(**epoch) for epoch in result["epochs"]]
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    best = max(epochs, key=lambda epoch: (epoch.validation_accuracy, -epoch.validation_loss))
    assert (result["accuracy"], result["loss"]) == (best.validation_accuracy, best.validation_loss)
    assert result["seconds"] >= sum(epoch.seconds for epoch in epochs)
    assert result["stopped"] is False
    written = json.loads((Path(arguments["folder"]) / "trial.json").read_text())
    assert written == {**arguments, **result, "ended": "all epochs"}


def test_a_trial_whose_time_is_over_says_so_and_what_it_learned_counts(arguments: dict[str, Any]) -> None:
    result = run_trial({**arguments, "stop_at": 1.0})
    assert result["stopped"] is True
    assert len(result["epochs"]) == 1


def test_a_trial_that_diverges_at_once_fails_with_the_rate_in_its_words(arguments: dict[str, Any]) -> None:
    wild = FitSettings(**{**arguments["settings"], "learning_rate": 1e30})
    with pytest.raises(StageFailed, match=r"trial 3 has no epoch with a finite loss at learning rate 1e\+30"):
        run_trial({**arguments, "settings": asdict(wild)})


def from_the_files(arguments: dict[str, Any], dataset: Path) -> None:
    """Have the trial's store decode its pictures from the dataset's files; the packed ones go."""
    store = Path(arguments["pixels"])
    n_images = len(open_pixels(store))
    shutil.rmtree(store)
    store.mkdir()
    facts = StoreFacts(kind="files", n_images=n_images, size_px=16, root=str(dataset), max_megapixels=64)
    write_facts(store, facts)


def test_a_trial_on_pictures_from_the_files_is_the_very_same_trial(
    arguments: dict[str, Any], bars_dataset: Path
) -> None:
    packed = run_trial({**arguments, "settings": {**arguments["settings"], "epochs": 2}})
    from_the_files(arguments, bars_dataset)
    decoded = run_trial({**arguments, "settings": {**arguments["settings"], "epochs": 2}})

    scores = [[{**epoch, "seconds": 0} for epoch in result["epochs"]] for result in (packed, decoded)]
    assert scores[0] == scores[1]


def test_a_file_that_went_while_a_trial_read_it_is_named_in_our_words(
    arguments: dict[str, Any], bars_dataset: Path
) -> None:
    from_the_files(arguments, bars_dataset)
    rows, _ = read_index(Path(arguments["pack"]), "train")
    gone = {image.row: image.path for image in read_images(Path(arguments["pixels"]).parent / "images.csv")}[rows[0]]
    (bars_dataset / gone).unlink()

    with pytest.raises(StageFailed, match=rf"{gone} is no longer the file that check read: No such file"):
        run_trial(arguments)


def test_the_weights_beside_the_labels_go_into_the_training(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[list[Any]] = []

    def looks(model: Any, feed: Any, *_: Any, **__: Any) -> Any:
        fed.append(list(feed.training(1).as_numpy_iterator()))
        raise StageFailed("seen")

    monkeypatch.setattr(trial, "fit", looks)
    pack = Path(arguments["pack"])
    _, labels = read_index(pack, "train")
    for weights in (None, relative([1.0 + label for label in labels])):
        write_weights(pack, weights)
        with pytest.raises(StageFailed, match="seen"):
            run_trial(arguments)
    plain, weighted = fed
    for (pixels, classes, seeds), (*same, own) in zip(plain, weighted, strict=True):
        for mine, theirs in zip((pixels, classes, seeds), same, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_allclose(own, (1 + classes) / (1 + labels).mean(), rtol=1e-6)
