"""Names lead to bundled files, wrong names to one clear error, and no name leads outside the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbte import catalogue
from vbte.errors import InputError
from vbte.policy import PlanningModel, StageKind

HOSTILE = ["../x", "..", ".", "", "/etc/passwd", "diamond/../diamond", "diamond\0", "a" * 5000, "~", "DIAMOND/"]
SMALL_MODEL = "schema: vbte.model/1\nname: mine\nstages: [{kind: admitted}]\n"


def test_bundled_models_are_found_by_name() -> None:
    assert catalogue.model_path("class-aware") == catalogue.models()["class-aware"]
    assert catalogue.model_path("class-aware").is_file()


def test_names_come_sorted() -> None:
    assert list(catalogue.models()) == sorted(catalogue.models())
    assert list(catalogue.datasets()) == sorted(catalogue.datasets())


def test_a_dataset_names_its_files() -> None:
    diamond = catalogue.dataset("diamond")
    assert diamond.path.name == diamond.name == "diamond"
    assert (diamond.topology.name, diamond.demands.name) == ("topology.yaml", "demands.csv")
    assert diamond.model is not None
    assert diamond.model.name == "model.yaml"
    assert catalogue.dataset("abilene").model is None


def test_a_misspelt_dataset_is_answered_with_a_suggestion_and_the_list() -> None:
    with pytest.raises(InputError) as caught:
        catalogue.dataset("diamnod")
    assert "no dataset called 'diamnod'; did you mean 'diamond'?" in str(caught.value)
    assert ", ".join(catalogue.datasets()) in str(caught.value)


def test_a_misspelt_model_is_answered_with_a_suggestion_and_the_list() -> None:
    with pytest.raises(InputError, match=r"no model called 'class-awre'; did you mean 'class-aware'\? there are "):
        catalogue.model_path("class-awre")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"^nowhere/my\.yaml: no such file; give a file, or one of class-aware, "):
        catalogue.model_path("nowhere/my.yaml")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_unknown_datasets(name: str) -> None:
    with pytest.raises(InputError, match="no dataset called"):
        catalogue.dataset(name)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "/etc/passwd"])
def test_hostile_names_are_unknown_models(name: str) -> None:
    with pytest.raises(InputError) as caught:
        catalogue.model_path(name)
    assert len(str(caught.value)) < 500


@given(st.text())
def test_no_text_at_all_leads_outside_the_datasets(name: str) -> None:
    try:
        found = catalogue.dataset(name)
    except InputError:
        return
    assert found.path.parent == catalogue.catalogue_folder("datasets")


def test_a_users_file_needs_no_particular_name(tmp_path: Path) -> None:
    for name in ("mine", "mine.yaml"):
        (tmp_path / name).write_text(SMALL_MODEL)
        assert catalogue.model_path(str(tmp_path / name)) == tmp_path / name


def test_a_bundled_name_wins_over_a_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("min-mlu").write_text(SMALL_MODEL)
    assert catalogue.model_path("min-mlu") == catalogue.models()["min-mlu"]
    assert catalogue.model_path("./min-mlu") == Path("min-mlu")
    assert catalogue.model_path(Path("min-mlu")) == Path("min-mlu")


def test_solver_profiles_are_looked_up_in_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("backend: highs\n")
    assert catalogue.solver_path(tmp_path / "mine.yaml") == tmp_path / "mine.yaml"
    with pytest.raises(InputError, match="no solver profile called 'no-such'"):
        catalogue.solver_path("no-such")


def test_a_model_is_loaded_from_a_name_a_file_a_mapping_or_as_it_is(tmp_path: Path) -> None:
    by_name = catalogue.load_model("max-throughput")
    assert by_name == catalogue.load_model(catalogue.models()["max-throughput"])
    assert catalogue.load_model(by_name) is by_name
    (tmp_path / "mine.yaml").write_text(SMALL_MODEL)
    mapping = {"schema": "vbte.model/1", "name": "mine", "stages": [{"kind": "admitted"}]}
    assert catalogue.load_model(tmp_path / "mine.yaml") == catalogue.load_model(mapping)


def test_extends_takes_what_it_does_not_replace_from_a_bundled_model() -> None:
    base = catalogue.load_model("class-aware")
    model = catalogue.load_model({"extends": "class-aware", "name": "mine", "utilization_limit": 0.9})
    assert isinstance(model, PlanningModel)
    assert (model.name, model.utilization_limit) == ("mine", 0.9)
    assert (model.stages, model.classes) == (base.stages, base.classes)


def test_extends_replaces_lists_as_a_whole() -> None:
    model = catalogue.load_model({"extends": "class-aware", "name": "mine", "stages": [{"kind": "admitted"}]})
    assert [stage.kind for stage in model.stages] == [StageKind.ADMITTED]


@pytest.mark.parametrize("base", ["class-awre", "../class-aware", "./mine.yaml", "/etc/passwd"])
def test_extends_leads_nowhere_but_into_the_catalogue(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SMALL_MODEL)
    with pytest.raises(InputError, match="no model called"):
        catalogue.load_model({"extends": base, "name": "child"})


def test_an_installed_package_finds_its_catalogues_inside_itself(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "vbte"
    (package / "catalogues" / "models").mkdir(parents=True)
    assert catalogue.catalogue_folder("models", package=package) == package / "catalogues" / "models"


def test_another_packages_models_folder_beside_an_installed_one_is_not_taken(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "vbte"
    package.mkdir(parents=True)
    (tmp_path / "site-packages" / "models").mkdir()
    with pytest.raises(InputError, match="the catalogue 'models' is missing; install vbte again"):
        catalogue.catalogue_folder("models", package=package)


def test_a_checkout_finds_its_catalogues_beside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "vbte"
    package.mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert catalogue.catalogue_folder("models", package=package) == tmp_path / "models"
