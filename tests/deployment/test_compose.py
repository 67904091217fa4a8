"""docker-compose.yml keeps to the Compose Specification, and everything in it fits together."""

import importlib.util
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from app.cli.serve import DRAIN_SECONDS
from app.config import Access, Settings, load_settings
from scripts.replay_dockerfile import parse

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).with_name("schemas") / "docker-compose.schema.json"
POSTGRES_VARIABLES = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
OURS = ("api", "seed")


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def image_instruction(keyword: str) -> str:
    return [each.argument for each in parse((ROOT / "Dockerfile").read_text()) if each.keyword == keyword][-1]


def test_it_keeps_to_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(compose(), schema, cls=jsonschema.Draft202012Validator)


def test_every_dependency_is_a_service_that_can_become_what_is_waited_for() -> None:
    services = compose()["services"]
    for each in services.values():
        for name, wanted in each.get("depends_on", {}).items():
            assert wanted == {"condition": "service_healthy"}
            assert not services[name]["healthcheck"].get("disable")
            assert "test" in services[name]["healthcheck"] or "build" in services[name]


def test_every_named_volume_is_declared_and_used() -> None:
    used = {volume.partition(":")[0] for each in compose()["services"].values() for volume in each.get("volumes", [])}
    assert used == compose()["volumes"].keys()


def test_the_database_is_kept_where_its_image_keeps_it() -> None:
    # From 18 on PGDATA is /var/lib/postgresql/<major>/docker; a volume on …/data would stay empty.
    assert service("db")["image"] == "postgres:18"
    assert service("db")["volumes"] == ["db-data:/var/lib/postgresql"]


def test_the_databases_variables_are_those_of_its_image() -> None:
    assert service("db")["environment"].keys() == POSTGRES_VARIABLES


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_with_a_value_it_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = service(name)["environment"]
    assert {each.lower() for each in variables} <= Settings.model_fields.keys()
    for each in Settings.model_fields:
        monkeypatch.delenv(each.upper(), raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.database_url is not None
    if name == "api":
        assert settings.auth is Access.OFF
        assert settings.seed_on_start


@pytest.mark.parametrize("name", OURS)
def test_the_database_url_is_that_of_the_database_service(name: str) -> None:
    url = urlsplit(service(name)["environment"]["DATABASE_URL"])
    database = service("db")["environment"]
    assert (url.hostname, url.port) == ("db", 5432)
    assert (url.username, url.password) == (database["POSTGRES_USER"], database["POSTGRES_PASSWORD"])
    assert url.path == f"/{database['POSTGRES_DB']}"


def test_the_database_is_asked_for_the_right_user_and_database_over_tcp() -> None:
    database = service("db")["environment"]
    assert service("db")["healthcheck"]["test"] == [
        "CMD",
        "pg_isready",
        "--host=127.0.0.1",
        f"--username={database['POSTGRES_USER']}",
        f"--dbname={database['POSTGRES_DB']}",
    ]


def test_the_published_ports_are_those_that_are_listened_on_and_local() -> None:
    assert service("db")["ports"] == ["127.0.0.1:5432:5432"]
    assert service("api")["ports"] == ["127.0.0.1:8000:8000"]
    assert service("api")["environment"]["PORT"] == image_instruction("EXPOSE") == "8000"
    assert "ports" not in service("seed")


def test_one_image_is_built_and_used_by_both_our_services() -> None:
    assert (ROOT / service("api")["build"] / "Dockerfile").is_file()
    assert "build" not in service("seed")
    assert service("seed")["pull_policy"] == "never"
    assert service("api")["image"] == service("seed")["image"]


def test_the_seed_runs_once_after_the_api_and_its_module_is_there() -> None:
    program, flag, module = service("seed")["command"]
    assert (program, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None
    assert service("seed")["restart"] == "no"
    assert service("seed")["depends_on"]["api"] == {"condition": "service_healthy"}


def test_the_api_has_longer_to_stop_than_it_needs_to_drain() -> None:
    assert int(service("api")["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_to_spare(name: str) -> None:
    assert service(name)["read_only"]
    assert service(name)["cap_drop"] == ["ALL"]
    assert service(name)["security_opt"] == ["no-new-privileges:true"]
