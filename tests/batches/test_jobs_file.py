"""The jobs file: what it becomes, and what is said of each fault, before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.batches.jobs_file import MAX_BYTES, MAX_FAULTS, load_jobs
from automl.errors import UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "night.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: Path) -> list[str]:
    """The faults that are told, one a line."""
    with pytest.raises(UsageError) as caught:
        load_jobs(path)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert message.startswith(f"The jobs file {path} has ")
    assert ", and no job was started:\n" in message
    assert message.endswith("Correct this and run again; `automl batch --help` shows how a jobs file is written.")
    return [line.strip() for line in message.splitlines()[1:-1]]


def test_a_job_needs_a_dataset_alone_and_all_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: demo\ntrain: {epochs: 2}\n")
    path = write(
        tmp_path,
        "jobs:\n"
        "  - dataset: pictures/flowers of spain\n"
        "  - {dataset: /data/dogcat, name: pets, recipe: best, set: {tune: {trials: 4}, train.flip: 'off'}}\n"
        "  - {dataset: dogcat, recipe: mine.yaml, set: ['seed=7', 'backbones=[smallnet]']}\n",
    )
    first, second, third = load_jobs(path)
    assert (first.name, first.dataset) == ("flowers-of-spain", tmp_path / "pictures" / "flowers of spain")
    assert first.recipe.name == "quick"
    assert (second.name, second.dataset, second.recipe.name) == ("pets", Path("/data/dogcat"), "best")
    assert (second.recipe.recipe.tune.trials, second.recipe.recipe.train.flip) == (4, "off")
    assert second.recipe.origins["tune.trials"] == "--set"
    assert (third.name, third.recipe.name, third.recipe.recipe.train.epochs) == ("dogcat", "mine", 2)
    assert (third.recipe.recipe.seed, third.recipe.recipe.backbones) == (7, ("smallnet",))


WANTED_SET = 'wanted a mapping such as {tune.trials: 4}, or a list such as ["tune.trials=4"]'
NAME = "1 to 80 letters, digits, '.', '_' and '-', the first a letter or digit, as text"
FAULTS = {
    "no mapping": ("- a", "found ['a'], wanted the key `jobs` with a list of jobs, each with a `dataset`"),
    "nothing": ("", "found nothing, wanted the key `jobs` with a list of jobs, each with a `dataset`"),
    "no YAML": ("jobs: [", "line 1, column 8: expected the node content, but found '<stream end>'; wanted YAML"),
    "an anchor": ("jobs: &a 1", "line 1, column 7: found anchors (&) and aliases (*) are not used here; wanted YAML"),
    "no jobs": ("{}", "jobs: found nothing, wanted a list of jobs, each with a `dataset`"),
    "an empty list": ("jobs: []", "jobs: found [], wanted a list of jobs, each with a `dataset`"),
    "a near key": ("{jobs: [{dataset: a}], job: 1}", "job: found an unknown key, did you mean jobs?"),
    "another key": ("{jobs: [{dataset: a}], until: 1}", "until: found an unknown key, wanted jobs"),
    "no job": ("jobs: [a]", "job 1: found 'a', wanted a mapping with the keys dataset, name, recipe, set"),
    "no dataset": ("jobs: [{name: a}]", "job 1, dataset: found nothing, wanted the path of a folder, as text"),
    "an empty dataset": ("jobs: [{dataset: ''}]", "job 1, dataset: found '', wanted the path of a folder, as text"),
    "a number": ("jobs: [{dataset: 2024}]", "job 1, dataset: found 2024, wanted the path of a folder, as text"),
    "a near key of a job": (
        "jobs: [{dataset: a}, {dataset: b, recepie: best}]",
        "job 2, recepie: found an unknown key, did you mean recipe?",
    ),
    "another key of a job": (
        "jobs: [{dataset: a, 'x\\e[31m': 1}]",
        "job 1, x\\e[31m: found an unknown key, wanted one of dataset, name, recipe, set",
    ),
    "a bad name": ("jobs: [{dataset: a, name: ../up}]", f"job 1, name: found '../up', wanted {NAME}"),
    "a name with a line end": ('jobs: [{dataset: a, name: "up\\n"}]', f"job 1, name: found 'up\\n', wanted {NAME}"),
    "a bad set": ("jobs: [{dataset: a, set: 7}]", f"job 1, set: found 7, {WANTED_SET}"),
    "a bad item of set": ("jobs: [{dataset: a, set: [3]}]", f"job 1, set: found [3], {WANTED_SET}"),
    "an unknown recipe": (
        "jobs: [{dataset: a, recipe: quik}]",
        "job 1, recipe quik: found no recipe named 'quik', wanted one of balanced, best, demo, quick; did you mean "
        "quick?; or a file",
    ),
    "an unknown setting": (
        "jobs: [{dataset: a, set: {tune: {trails: 3}}}]",
        "job 1, recipe quick: tune.trails (--set): found an unknown key, did you mean tune.trials?",
    ),
    "a setting twice": (
        "jobs: [{dataset: a, set: {tune: {trials: 3}, tune.trials: 4}}]",
        "job 1, set: found tune.trials a second time, wanted once",
    ),
    "a name twice": (
        "jobs: [{dataset: a}, {dataset: b, name: c}, {dataset: x/a}]",
        "job 3, name: found 'a', which is job 1's; wanted a name of its own",
    ),
}


@pytest.mark.parametrize(("text", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_says_what_was_found_and_wanted(tmp_path, text, fault):
    assert faults_of(write(tmp_path, text)) == [fault]


def test_all_faults_are_told_at_once_also_those_of_recipes_in_jobs_with_other_faults(tmp_path):
    path = write(
        tmp_path, "jbos: 1\njobs:\n  - {datset: a, recipe: quik}\n  - {dataset: b, set: {tune.trials: many}}\n"
    )
    told = faults_of(path)
    assert [fault.partition(": found")[0] for fault in told] == [
        "jbos",
        "job 1, dataset",
        "job 1, datset",
        "job 1, recipe quik",
        "job 2, recipe quick: tune.trials (--set)",
    ]


def test_many_faults_are_counted_and_the_first_are_listed(tmp_path):
    told = faults_of(write(tmp_path, "jobs:\n" + "  - {dataset: 1}\n" * (MAX_FAULTS + 3)))
    assert len(told) == MAX_FAULTS + 1
    assert told[-1] == "and 3 more"


def test_a_file_that_is_absent_too_long_or_not_utf8_is_told(tmp_path):
    assert faults_of(tmp_path / "no.yaml") == ["it cannot be read: No such file or directory; wanted a YAML file"]
    path = tmp_path / "odd.yaml"
    path.write_bytes(b"jobs: \xff")
    assert faults_of(path) == ["found a byte at 6 that is not UTF-8, wanted a YAML file in UTF-8"]
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert faults_of(path) == ["found more than 1,000,000 bytes, wanted a list of jobs"]


def test_a_pipe_a_device_or_a_folder_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero"), tmp_path):
        assert faults_of(path) == ["it is no regular file; wanted a YAML file"]
    told = faults_of(write(tmp_path, "jobs: [{dataset: a, recipe: pipe.yaml}]"))
    assert told == [f"job 1, recipe pipe.yaml: file {tmp_path}/pipe.yaml: found no regular file, wanted a YAML file"]


@given(text=st.text(alphabet="jobsdatename: -[]{}\n'\"&!,#", max_size=60))
def test_any_text_is_a_list_of_jobs_or_a_message(tmp_path_factory, text):
    path = write(tmp_path_factory.getbasetemp(), text)
    try:
        jobs = load_jobs(path)
    except UsageError:
        faults = faults_of(path)
        assert faults
        assert all("found" in fault or "wanted" in fault for fault in faults)
    else:
        assert jobs
