from __future__ import annotations

import pytest
from click.testing import CliRunner

import automl.cli.run
from automl.cli.demo import demo


@pytest.mark.parametrize(("options", "data"), [([], "demo-data"), (["--data", "elsewhere"], "elsewhere")])
def test_demo_writes_the_digits_and_runs_the_recipe_demo_on_them(options, data, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(automl.cli.run, "run_and_print", lambda dataset, **rest: asked.update(rest, dataset=dataset))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(demo, ["--json", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert (asked["recipe"], asked["name"], asked["as_json"]) == ("demo", "demo", True)
    assert asked["dataset"].resolve() == tmp_path / data / "digits"
    assert len(list((tmp_path / data / "digits").rglob("*.png"))) == 1_797
