"""Dockerfile and docker-compose.yml, read and compared with what the code reads.

Nothing here runs a container: it is the drift between the two that these tests catch.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve
from django.utils.module_loading import import_string

from portal import gunicorn_config
from portal.machine import processes

ROOT = Path(__file__).resolve().parents[2]
PORTAL = ("migrate", "web", "inference", "inference-gpu", "io", "beat")
WORKERS = {"inference": "inference", "inference-gpu": "inference", "io": "io"}


@cache
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


@cache
def dockerfile() -> list[tuple[str, str]]:
    """Its instructions: the word and the rest, lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def stage(name: str) -> list[tuple[str, str]]:
    """The instructions of one stage."""
    starts = [i for i, (word, _) in enumerate(dockerfile()) if word == "FROM"]
    ends = [*starts[1:], len(dockerfile())]
    for start, end in zip(starts, ends, strict=True):
        if dockerfile()[start][1].endswith(f" AS {name}"):
            return dockerfile()[start:end]
    raise AssertionError(f"the Dockerfile has no stage {name}")


@cache
def variables_the_code_reads() -> set[str]:
    """The names given to ``env.…("NAME")`` in the settings and to ``os.environ`` elsewhere."""
    read = set()
    settings = sorted((ROOT / "portal" / "settings").glob("*.py"))
    for path in (*settings, ROOT / "portal" / "gunicorn_config.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args:
                called, first = ast.unparse(node.func), node.args[0]
                if re.fullmatch(r"env\.\w+|os\.environ\.get", called):
                    assert isinstance(first, ast.Constant), f"{path.name}: a computed name"
                    read.add(str(first.value))
    return read


def test_the_variables_of_compose_are_those_the_code_reads() -> None:
    known = variables_the_code_reads()
    assert "DATABASE_URL" in known, "the rule looks at nothing"
    for name in PORTAL:
        given = {key.removesuffix("_FILE") for key in service(name)["environment"]}
        assert given <= known, f"{name} sets what nobody reads"
        assert given >= {"PUBLIC_URL", "DATABASE_URL", "REDIS_URL", "SECRET_KEY"}


def test_every_variable_is_explained() -> None:
    explained = set(
        re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "configuration.md").read_text(), re.M)
    )
    assert explained == variables_the_code_reads()


@pytest.mark.parametrize("name", PORTAL)
def test_what_is_uploaded_is_never_on_a_disk_in_the_clear(name: str) -> None:
    """Django lays what is above two megabytes into the system's temporary folder."""
    [folder] = service(name)["tmpfs"]
    assert folder.startswith("/tmp:")  # noqa: S108 - the container's, in memory
    assert "TMPDIR" not in service(name)["environment"]
    assert getattr(settings, "FILE_UPLOAD_TEMP_DIR", None) is None


def test_what_compose_asks_of_env_is_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+)", text)) - {"LENTIGO_VERSION"}
    example = (ROOT / ".env.example").read_text()
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.M))
    assert asked <= offered
    assert offered - {"TWILIO_CONTENT_SIDS"} <= asked, "the example offers what nobody reads"


def test_every_service_runs_the_command_the_demo_runs() -> None:
    assert tuple(service("web")["command"]) == processes.WEB
    assert tuple(service("inference")["command"]) == processes.INFERENCE
    assert tuple(service("inference-gpu")["command"]) == processes.INFERENCE
    assert tuple(service("io")["command"]) == processes.IO
    assert tuple(service("beat")["command"]) == processes.BEAT
    commands = dict(stage("serve")), dict(stage("gpu"))
    assert tuple(json.loads(commands[0]["CMD"])) == processes.WEB
    assert tuple(json.loads(commands[1]["CMD"])) == processes.INFERENCE


def test_the_workers_listen_to_exactly_the_queues_the_settings_name() -> None:
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    queues = routed | {settings.CELERY_TASK_DEFAULT_QUEUE}
    listened = set()
    for name, queue in WORKERS.items():
        command = service(name)["command"]
        assert command[command.index("-Q") + 1] == queue
        listened.add(queue)
    assert listened == queues
    # A second process of a pool would load the network again, and share the GPU with the first.
    assert "--pool=solo" in service("inference")["command"]


def test_the_web_service_serves_our_application_on_the_published_port() -> None:
    module, _, attribute = processes.WEB[-1].partition(":")
    import_string(f"{module}.{attribute or 'application'}")
    port = gunicorn_config.bind.rsplit(":", 1)[1]
    assert gunicorn_config.bind == f"0.0.0.0:{port}"
    assert service("web")["ports"][0].endswith(f":{port}")
    assert ("EXPOSE", port) in stage("serve")
    check = dict(stage("serve"))["HEALTHCHECK"]
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", check)
    assert address
    assert address[1] == port
    assert resolve(address[2]).url_name == "health_live"


def test_migrate_runs_once_before_everything_else() -> None:
    steps = [shlex.split(part) for part in service("migrate")["command"][2].split("&&")]
    assert [step[:2] for step in steps] == [["python", "manage.py"]] * 3
    assert [step[2] for step in steps] == ["migrate", "createcachetable", "register_model"]
    assert {step[2] for step in steps} <= set(get_commands())
    assert service("migrate")["restart"] == "no"
    for name in set(PORTAL) - {"migrate"}:
        condition = service(name)["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"


def test_every_service_is_checked_or_says_why_not() -> None:
    for name in compose()["services"]:
        if name == "web":  # the image's own check
            assert "healthcheck" not in service(name)
            continue
        check = service(name)["healthcheck"]
        assert check.get("disable") is (True if name in {"migrate", "beat"} else None)
        assert "test" in check or check["disable"]


def test_what_runs_comes_back_and_may_stop_politely() -> None:
    lease = settings.SCORING_LEASE.total_seconds()
    for name in compose()["services"]:
        if name != "migrate":
            assert service(name)["restart"] == "unless-stopped"
    for name in WORKERS:
        assert _seconds(service(name)["stop_grace_period"]) > lease
    assert _seconds(service("web")["stop_grace_period"]) > gunicorn_config.graceful_timeout


def _seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def test_secrets_are_files_and_nothing_secret_is_written_down() -> None:
    secret = {"DATABASE_URL", "SECRET_KEY", "TWILIO_AUTH_TOKEN", "EMAIL_URL", "POSTGRES_PASSWORD"}
    secret.add("METRICS_TOKEN")
    for name in compose()["services"]:
        environment = service(name).get("environment") or {}
        assert not secret & set(environment), f"{name} holds a secret in its environment"
        for key, value in environment.items():
            if key.endswith("_FILE"):
                file = value.removeprefix("/run/secrets/")
                assert file in service(name)["secrets"]
                assert file in compose()["secrets"]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"secrets/", ".env"} <= set(ignored)


def test_pictures_and_rows_outlive_their_containers() -> None:
    image = {
        key: value
        for _, pairs in (line for line in stage("application") if line[0] == "ENV")
        for key, value in (pair.split("=", 1) for pair in pairs.split())
    }
    for name in PORTAL:
        assert f"pictures:{image['MEDIA_ROOT']}" in service(name)["volumes"]
    assert service("postgres")["volumes"] == ["database:/var/lib/postgresql/data"]
    assert {"database", "pictures"} <= set(compose()["volumes"])


def test_the_databases_are_not_published_and_have_no_way_out() -> None:
    for name in ("postgres", "redis"):
        assert "ports" not in service(name)
        assert service(name)["networks"] == ["inside"]
    assert compose()["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", ["serve", "gpu"])
def test_the_images_run_as_a_normal_user_and_install_by_hash(name: str) -> None:
    assert ("USER", "lentigo") in stage(name)
    words = [word for word, _ in stage(name)]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in {"RUN", "COPY"})
    installs = [rest for word, rest in stage(f"install-{name}") if word == "RUN"]
    assert any("--require-hashes" in rest for rest in installs)
    lock = next(rest.split()[0] for word, rest in stage(f"install-{name}") if word == "COPY")
    assert (ROOT / lock).is_file()


def test_the_images_hold_every_room_the_settings_name_and_the_python_we_support() -> None:
    copied = {rest.split()[0] for word, rest in stage("application") if word == "COPY"}
    rooms = {app.split(".")[0] for app in settings.INSTALLED_APPS if app.endswith("Config")}
    ours = {room for room in rooms if (ROOT / room).is_dir()}
    assert len(ours) >= 5
    assert ours | {"templates", "manage.py"} <= copied
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(allowed)
    assert dict(stage("base"))["FROM"].startswith("python:3.12-slim")


def test_the_gpu_worker_asks_for_a_gpu_and_starts_only_when_asked_for() -> None:
    gpu = service("inference-gpu")
    assert gpu["profiles"] == ["gpu"]
    assert gpu["environment"]["MODEL_DEVICE"] == "gpu"
    assert gpu["build"]["target"] == "gpu"
    device = gpu["deploy"]["resources"]["reservations"]["devices"][0]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert service("inference")["environment"]["MODEL_DEVICE"] == "cpu"
