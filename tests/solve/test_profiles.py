"""Solver profiles: by name, file or mapping, and what is said of those that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csc_array

from vbte import catalogue
from vbte.errors import InputError
from vbte.plan import Reason
from vbte.solve import Algorithm, Backend, LinearProgram, SolverProfile, solve
from vbte.solve.load import load_solver


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", sorted(catalogue.solvers()))
def test_every_bundled_profile_reads_and_solves(name):
    profile = load_solver(name)
    assert profile.name == name
    assert profile.description
    # min x with x >= 3
    one = np.ones(1)
    question = LinearProgram(one, 0 * one, 9 * one, csc_array(np.ones((1, 1))), 3 * one, np.inf * one)
    answer = solve(question, profile)
    assert answer.termination.reason is Reason.OPTIMAL
    assert answer.objective == pytest.approx(3)


def test_a_name_a_file_and_a_mapping_give_the_same_profile(tmp_path):
    keys = {"name": "highs-ipm", "algorithm": "ipm", "description": "HiGHS, interior point with crossover"}
    by_file = load_solver(written(tmp_path, "".join(f"{key}: {json.dumps(value)}\n" for key, value in keys.items())))
    assert by_file == load_solver(keys) == load_solver(str(tmp_path / "mine.yaml"))
    by_name = load_solver("highs-ipm")
    assert (by_name.algorithm, by_name.backend) == (by_file.algorithm, by_file.backend) == ("ipm", "highs")


def test_a_profile_already_built_is_taken_as_it_is():
    profile = SolverProfile(name="mine", threads=2)
    assert load_solver(profile) is profile


def test_keys_left_out_have_the_values_the_readme_states():
    profile = load_solver({"name": "bare"})
    assert profile.backend is Backend.HIGHS
    assert profile.algorithm is Algorithm.CHOOSE
    assert (profile.threads, profile.time_limit_s, profile.iteration_limit, profile.fallback) == (1, None, None, None)
    assert dict(profile.options) == {}


def test_options_keep_the_kind_they_were_written_in():
    options = {"flag": True, "count": 1, "share": 1.0, "word": "on"}
    read = load_solver({"name": "mine", "options": options}).options
    assert read == options
    assert {key: type(value) for key, value in read.items()} == {key: type(value) for key, value in options.items()}


def test_an_unknown_name_is_an_error_that_suggests_the_nearest():
    with pytest.raises(InputError, match=r"no solver profile called 'higs'; did you mean 'highs'\?"):
        load_solver("higs")


def test_a_file_that_is_not_there_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such file"):
        load_solver("nowhere.yaml")


def test_a_misspelt_key_is_an_error_at_its_line_with_a_suggestion(tmp_path):
    path = written(tmp_path, "name: mine\nbackend: highs\nthreds: 3\n")
    with pytest.raises(InputError, match=r"mine\.yaml:3: threds: unknown key; did you mean 'threads'\?"):
        load_solver(path)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"backend": "gurobi"}, "backend: is 'gurobi'; input should be 'highs' or 'pulp'"),
        ({"algorithm": "magic"}, "algorithm: is 'magic'"),
        ({"time_limit_s": 0}, "time_limit_s: is '0'; input should be greater than 0"),
        ({"time_limit_s": float("nan")}, "time_limit_s: is 'nan'"),
        ({"time_limit_s": float("inf")}, "time_limit_s: is 'inf'"),
        ({"iteration_limit": -1}, "iteration_limit: is '-1'"),
        ({"threads": 0}, "threads: is '0'"),
        ({"feasibility_tolerance": 1e-12}, "feasibility_tolerance: is '1e-12'"),
        ({"mip_gap": 2}, "mip_gap: is '2'"),
        ({"name": "../mine"}, "name: is '../mine'"),
        ({"schema": "vbte.solver/2"}, "schema: is 'vbte.solver/2'; input should be 'vbte.solver/1'"),
        ({"options": {"listed": [1]}}, "options.listed"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_names_it(keys, fault):
    with pytest.raises(InputError) as caught:
        load_solver({"name": "mine", **keys})
    assert fault in str(caught.value)


def test_a_profile_without_a_name_says_so():
    with pytest.raises(InputError, match="name: is missing"):
        load_solver({"threads": 1})


def test_a_profile_cannot_be_changed_after_it_was_read():
    with pytest.raises(ValueError, match="frozen"):
        load_solver("highs").threads = 4
