from __future__ import annotations

import pytest
from click.testing import CliRunner

import automl.cli.run
from automl.cli.demo import demo
from automl.cli.run import run


@pytest.mark.parametrize(("options", "data"), [([], "demo-data"), (["--data", "elsewhere"], "elsewhere")])
def test_demo_writes_the_digits_and_runs_the_recipe_demo_on_them(options, data, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(automl.cli.run, "run_and_print", lambda dataset, **rest: asked.update(rest, dataset=dataset))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(demo, ["--json", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert (asked["recipe"], asked["name"], asked["as_json"]) == ("demo", "demo", True)
    assert (asked["settings"], asked["deadline"], asked["seed"], asked["redo"]) == ((), None, None, None)
    assert asked["dataset"].resolve() == tmp_path / data / "digits"
    assert len(list((tmp_path / data / "digits").rglob("*.png"))) == 1_797


def test_demo_takes_the_options_of_run_but_those_that_would_make_it_another_demo(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(automl.cli.run, "run_and_print", lambda dataset, **rest: asked.update(rest))
    monkeypatch.setattr("automl.demo_data.write_digits", lambda folder: 0)
    words = "--name mine --set tune.trials=2 --set train.epochs=3 --deadline 90s --seed 7 --redo tune --json"
    assert CliRunner().invoke(demo, words.split(), catch_exceptions=False).exit_code == 0
    settings = ("tune.trials=2", "train.epochs=3")
    wanted = {"name": "mine", "settings": settings, "deadline": "90s", "seed": 7, "redo": "tune", "as_json": True}
    assert {key: asked[key] for key in wanted} == wanted
    others = {option.name for option in run.params} - {option.name for option in demo.params}
    assert others == {"dataset", "recipe", "weights"}
