"""render.yaml keeps to Render's Blueprint reference, and everything in it fits together."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.cli.serve import DRAIN_SECONDS
from app.config import Settings, load_settings
from app.main import create_app

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).with_name("schemas") / "render.schema.json"
RENDER_SHUTDOWN_SECONDS = 30  # what Render gives when the Blueprint does not say


def blueprint() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "render.yaml").read_text())
    return document


def web() -> dict[str, Any]:
    (only,) = blueprint()["services"]
    found: dict[str, Any] = only
    return found


def database() -> dict[str, Any]:
    (only,) = blueprint()["databases"]
    found: dict[str, Any] = only
    return found


def variables() -> dict[str, dict[str, Any]]:
    return {each["key"]: each for each in web()["envVars"]}


def test_it_keeps_to_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(blueprint(), schema, cls=jsonschema.Draft202012Validator)


def test_the_files_it_names_are_there() -> None:
    context = ROOT / web()["dockerContext"]
    assert (context / "requirements.lock").is_file()
    assert (ROOT / web()["dockerfilePath"]).is_file()


def test_the_health_check_is_a_path_that_the_service_has() -> None:
    application = create_app(Settings()).application  # type: ignore[attr-defined]  # the FastAPI inside
    assert web()["healthCheckPath"] in application.openapi()["paths"]


def test_the_service_is_given_the_database_beside_it() -> None:
    given = variables()["DATABASE_URL"]["fromDatabase"]
    assert given == {"name": database()["name"], "property": "connectionString"}
    assert database()["region"] == web()["region"]
    assert database()["ipAllowList"] == []


def test_every_variable_is_a_setting_with_a_value_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {each.lower() for each in variables()} <= Settings.model_fields.keys()
    for each in Settings.model_fields:
        monkeypatch.delenv(each.upper(), raising=False)
    user, name = database()["user"], database()["databaseName"]
    monkeypatch.setenv("DATABASE_URL", f"postgres://{user}:secret@dpg-a/{name}")  # the form that Render gives
    monkeypatch.setenv("PORT", "10000")
    for key, variable in variables().items():
        if "value" in variable:
            monkeypatch.setenv(key, variable["value"])
        if "generateValue" in variable:
            monkeypatch.setenv(key, base64.b64encode(secrets.token_bytes(32)).decode())
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.wallet_api_key is not None
    assert settings.seed_on_start
    assert (settings.host, settings.port) == ("0.0.0.0", 10000)  # noqa: S104 - Render's router is another host


def test_the_port_is_left_to_render() -> None:
    assert "PORT" not in variables()


def test_render_waits_longer_than_the_service_drains() -> None:
    assert DRAIN_SECONDS < RENDER_SHUTDOWN_SECONDS
