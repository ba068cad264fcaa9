"""docker-compose.yml and the Dockerfiles, checked without a Docker engine."""

import importlib.resources
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

APPLICATION = ("api", "worker", "worker-gpu")
DOCKERFILES = ("service.Dockerfile", "worker.Dockerfile")


def test_file_follows_the_compose_specification(compose: Any) -> None:
    schemas = importlib.resources.files("check_jsonschema.builtin_schemas")
    schema = json.loads((schemas / "vendor" / "compose-spec.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(compose.raw)] == []


def test_every_referenced_name_is_declared(compose: Any) -> None:
    """The schema cannot check that referenced volumes and networks exist."""
    for name, service in compose.services.items():
        assert set(service.get("depends_on", {})) <= set(compose.services), name
        assert set(service.get("networks", [])) <= set(compose.raw["networks"]), name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= set(compose.raw["volumes"]), name


def test_every_dependency_has_a_health_check(compose: Any) -> None:
    for name, service in compose.services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", f"{name} -> {needed}"
            assert "healthcheck" in compose.services[needed], f"{name} -> {needed}"


def test_secrets_have_no_defaults(compose: Any, root: Path) -> None:
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", text)
        assert uses, name
        assert all(use.startswith(":?") for use in uses), f"{name} must be required everywhere"
        assert re.search(rf"(?m)^{name}=$", (root / ".env.example").read_text(encoding="utf-8"))


def test_only_the_api_is_published_and_on_loopback(compose: Any) -> None:
    published = {
        name: service["ports"] for name, service in compose.services.items() if "ports" in service
    }
    assert published == {"api": ["127.0.0.1:8000:8000"]}
    assert compose.raw["networks"]["backend"]["internal"] is True


def test_containers_are_hardened(compose: Any) -> None:
    for name, service in compose.services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["stop_grace_period"] == "30s", name
        assert service["restart"] == "unless-stopped", name


@pytest.mark.parametrize("service", APPLICATION)
def test_service_and_workers_share_records_broker_and_artifacts(compose: Any, service: str) -> None:
    environment = compose.environment(service)
    assert environment["RIDGELINE_DATABASE_URL"].startswith("postgresql+psycopg://")
    assert environment["RIDGELINE_REDIS_URL"].startswith("redis://:")
    assert environment["RIDGELINE_ARTIFACTS_DIR"] == "/var/lib/ridgeline/artifacts"
    assert "artifacts:/var/lib/ridgeline/artifacts" in compose.services[service]["volumes"]


@pytest.mark.parametrize("service", APPLICATION)
def test_bucket_settings_are_passed_from_env(compose: Any, service: str) -> None:
    """AWS variables are passed by name only: an empty value would count as a key."""
    environment = compose.services[service]["environment"]
    assert environment["RIDGELINE_ARTIFACTS_URL"] == ""
    aws = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    names = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert aws == dict.fromkeys(names)


def test_every_variable_of_env_example_is_passed_on(root: Path) -> None:
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")
    example = (root / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"(?m)^(?:# )?([A-Z_]+)=", example)
    assert "RIDGELINE_ARTIFACTS_URL" in names
    assert [name for name in names if f"${{{name}:" not in text and f"  {name}:" not in text] == []


def test_gpu_worker_reserves_nvidia_devices(compose: Any) -> None:
    gpu, cpu = compose.services["worker-gpu"], compose.services["worker"]
    assert gpu["profiles"] == ["gpu"]
    assert "profiles" not in cpu
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu", "compute", "utility"]
    assert gpu["command"] == cpu["command"]
    assert gpu["environment"] == cpu["environment"]


def test_images_are_built_from_files_that_exist(compose: Any, root: Path) -> None:
    for name in APPLICATION:
        build = compose.services[name]["build"]
        assert (root / build["context"] / build["dockerfile"]).is_file()
        if requirements := build.get("args", {}).get("REQUIREMENTS"):
            assert (root / "requirements" / requirements).is_file()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_image_runs_as_a_numbered_user(root: Path, name: str) -> None:
    """Kubernetes can verify that a user is not root only by its number."""
    users = [words[0] for verb, words in instructions(root / "deploy" / name) if verb == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_image_installs_by_hash_with_byte_code(root: Path, name: str) -> None:
    runs = [
        " ".join(words) for verb, words in instructions(root / "deploy" / name) if verb == "RUN"
    ]
    installs = [run for run in runs if "pip install" in run]
    assert installs
    assert all("--require-hashes" in run for run in installs)
    assert any("--compile-bytecode" in run for run in installs)


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("service.Dockerfile", {"ridgeline", "service"}),
        ("worker.Dockerfile", {"ridgeline", "worker"}),
    ],
)
def test_image_copies_only_existing_sources(root: Path, name: str, packages: set[str]) -> None:
    sources = [
        source.replace("${REQUIREMENTS}", "worker.txt")
        for verb, words in instructions(root / "deploy" / name)
        if verb == "COPY" and not words[0].startswith("--from")
        for source in words[:-1]
    ]
    assert [source for source in sources if not (root / source).exists()] == []
    assert {source.rstrip("/") for source in sources if source.endswith("/")} == packages
    allowed = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert all(f"!{source.partition('/')[0]}/" in allowed for source in sources)


@pytest.mark.parametrize(
    ("service", "name"), [("api", "service.Dockerfile"), ("worker", "worker.Dockerfile")]
)
def test_image_and_compose_run_the_same_command(
    compose: Any, root: Path, service: str, name: str
) -> None:
    (command,) = (words for verb, words in instructions(root / "deploy" / name) if verb == "CMD")
    assert json.loads(" ".join(command)) == compose.command(service)


def instructions(dockerfile: Path) -> list[tuple[str, list[str]]]:
    """The instructions of a Dockerfile with their words; continued lines are joined."""
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    words = [line.split() for line in text.splitlines() if line.strip()]
    return [(verb, rest) for verb, *rest in words]
