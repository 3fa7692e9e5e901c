"""compose.yaml as far as it can be checked where no Docker is: its schema, and what it promises.

A rule takes the document and its text and yields what breaks it; each is tried on a document that breaks it.
"""

import copy
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cli
from cli.stack import CELERY, children
from services import settings
from tests.test_repository import unknown

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose.yaml"
TEXT = FILE.read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)
PROFILES = {"small", "full"}
# What has nobody to ask, and why.
UNCHECKED = {"migrate": "it ends", "beat": "an alert watches its sweeps"}
WRITABLE = {"neo4j": "its entrypoint writes its configuration into the image"}
# Numbers of the machine, not of the program.
OWN_NUMBERS = {"WORKER_CPUS", "WORKER_MEMORY"}
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+(\.\d+)+[\w.-]*")


def services(compose):
    return compose["services"].items()


def ours(compose):
    return {name: one for name, one in services(compose) if one["image"] == compose["x-images"]["svodka"]}


def images(compose, text):
    named = compose["x-images"].values()
    for image in named:
        if not PINNED.fullmatch(image):
            yield f"{image} is not pinned"
        if text.count(image) != 1:
            yield f"{image} is named {text.count(image)} times"
    for name, one in services(compose):
        if one.get("image") not in named:
            yield f"{name}: {one.get('image')} is not among x-images"


def hardening(compose, _):
    for name, one in services(compose):
        if one.get("read_only") is not True and name not in WRITABLE:
            yield f"{name}: its root can be written"
        if one.get("cap_drop") != ["ALL"] or one.get("cap_add") or one.get("privileged"):
            yield f"{name}: capabilities"
        if one.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{name}: new privileges"
        if not re.fullmatch(r"[1-9]\d*:\d+", str(one.get("user", ""))):
            yield f"{name}: user {one.get('user')!r}"


def resources(compose, _):
    for name, one in services(compose):
        limits = one.get("deploy", {}).get("resources", {}).get("limits", {})
        if set(limits) != {"cpus", "memory", "pids"}:
            yield f"{name}: limits of {sorted(limits)}"


def health(compose, _):
    for name, one in services(compose):
        check = one.get("healthcheck", {})
        if name in UNCHECKED:
            if not check.get("disable"):
                yield f"{name}: a check that was said to be impossible"
        elif not {"test", "interval", "timeout", "start_period", "retries"} <= set(check):
            yield f"{name}: no whole health check"


def profiles(compose, _):
    for name, one in services(compose):
        if not set(one.get("profiles", [])) or not set(one["profiles"]) <= PROFILES:
            yield f"{name}: profiles {one.get('profiles')}"


def dependencies(compose, _):
    for name, one in services(compose):
        for other, how in one.get("depends_on", {}).items():
            target = compose["services"].get(other)
            if target is None:
                yield f"{name}: needs {other}, which is not there"
                continue
            absent = set(one["profiles"]) - set(target["profiles"])
            if absent and how.get("required", True):
                yield f"{name}: needs {other}, which profile {sorted(absent)} does not start"
            if how["condition"] == "service_healthy" and target["healthcheck"].get("disable"):
                yield f"{name}: waits for the health of {other}, which nobody checks"


def ports(compose, _):
    seen = set()
    for name, one in services(compose):
        for port in one.get("ports", []):
            address, host, _inner = port.split(":")
            if address != "127.0.0.1":
                yield f"{name}: {port} is open to others"
            if host in seen:
                yield f"{name}: port {host} is taken"
            seen.add(host)


def secrets(compose, _):
    used = set()
    for name, one in services(compose):
        for secret in one.get("secrets", []):
            source = secret["source"] if isinstance(secret, dict) else secret
            used.add(source)
            if source not in compose["secrets"]:
                yield f"{name}: no secret {source}"
        for variable, value in environment(one).items():
            at = str(value)
            if at.startswith("/run/secrets/") and at.removeprefix("/run/secrets/") not in granted(one):
                yield f"{name}: {variable} names a secret it is not given"
            if re.search("PASSWORD|_KEY|AUTH$|TOKEN", variable) and value and not variable.endswith("FILE"):
                yield f"{name}: {variable} holds a secret"
    yield from (f"{name}: a secret that nobody reads" for name in set(compose["secrets"]) - used)


def granted(one):
    return {secret if isinstance(secret, str) else secret["source"] for secret in one.get("secrets", [])}


def environment(one):
    return one.get("environment", {})


def volumes(compose, _):
    used = set()
    for name, one in services(compose):
        for volume in one.get("volumes", []):
            source, _target, *mode = volume.split(":")
            if source.startswith("./"):
                if mode != ["ro"]:
                    yield f"{name}: {source} can be written"
            elif source not in compose["volumes"]:
                yield f"{name}: no volume {source}"
            used.add(source)
    yield from (f"{name}: a volume that nobody uses" for name in set(compose["volumes"]) - used)


def networks(compose, _):
    for name, one in services(compose):
        if not set(one.get("networks", [])) or not set(one["networks"]) <= set(compose["networks"]):
            yield f"{name}: networks {one.get('networks')}"
        if one.get("ports") and "outside" not in one.get("networks", []):
            yield f"{name}: publishes a port on a network without a way out"


def variables(compose, text):
    """Every SVODKA_ variable is a setting, and a secret goes by its file."""
    fields = settings.Settings.model_fields
    for variable in re.findall(r"\$\{(\w+)", re.sub(r"#.*", "", text)):
        if variable not in OWN_NUMBERS and not variable.startswith(settings.PREFIX):
            yield f"{variable} is not ours"
    for variable in set(re.findall(rf"\b{settings.PREFIX}\w+", text)):
        name = variable.removeprefix(settings.PREFIX).lower()
        if name.endswith("_file") and (field := fields.get(name.removesuffix("_file"))) is not None:
            if "SecretStr" not in str(field.annotation):
                yield f"{variable}: only secrets have files"
        elif name not in fields:
            yield f"{variable} is no setting"
    for service, one in ours(compose).items():
        for name in environment(one):
            field = fields.get(name.removeprefix(settings.PREFIX).lower())
            if field is not None and "SecretStr" in str(field.annotation):
                yield f"{service}: {name} belongs into a file"


def commands(compose, _):
    for name, one in ours(compose).items():
        program, *words = one["command"]
        if program == "svodka":
            wrong = unknown(cli.command, " ".join(words))
        elif words[:2] == ["-A", "tasks"]:
            given = [*CELERY[3:], *words[2:]]
            known = [word for child in children(settings.load()) for word in child.argv[3:]]
            wrong = next((word for word in given if word not in known), None)
        else:
            wrong = program
        if wrong is not None:
            yield f"{name}: {wrong}"


RULES = (
    images, hardening, resources, health, profiles, dependencies, ports, secrets, volumes, networks, variables, commands,
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_document_keeps_the_rule(rule):
    assert list(rule(COMPOSE, TEXT)) == []


def spoilt(path, value):
    """The document with one cell changed: {name} of services, ... ; None removes it."""
    compose = copy.deepcopy(COMPOSE)
    *way, last = path
    here = compose
    for step in way:
        here = here[step]
    if value is None:
        here.pop(last)
    else:
        here[last] = value
    return compose


BAD = [
    (images, ("x-images", "valkey"), "valkey/valkey:latest"),
    (images, ("services", "valkey", "image"), "valkey/valkey:8.1.4-alpine"),
    (hardening, ("services", "worker", "read_only"), False),
    (hardening, ("services", "worker", "user"), "0:0"),
    (hardening, ("services", "worker", "user"), None),
    (hardening, ("services", "grafana", "cap_add"), ["NET_ADMIN"]),
    (hardening, ("services", "grafana", "security_opt"), None),
    (resources, ("services", "qdrant", "deploy"), None),
    (health, ("services", "qdrant", "healthcheck"), {"disable": True}),
    (health, ("services", "qdrant", "healthcheck"), None),
    (profiles, ("services", "qdrant", "profiles"), ["big"]),
    (dependencies, ("services", "worker", "depends_on"), {"redis": {"condition": "service_started"}}),
    (dependencies, ("services", "worker", "depends_on"), {"qdrant": {"condition": "service_healthy"}}),
    (dependencies, ("services", "worker", "depends_on"), {"beat": {"condition": "service_healthy"}}),
    (ports, ("services", "grafana", "ports"), ["0.0.0.0:3000:3000"]),
    (ports, ("services", "grafana", "ports"), ["127.0.0.1:9090:3000"]),
    (secrets, ("services", "postgres", "secrets"), ["postgres_word"]),
    (secrets, ("services", "postgres", "environment"), {"POSTGRES_PASSWORD": "x"}),
    (secrets, ("secrets", "more"), {"file": "x"}),
    (volumes, ("services", "valkey", "volumes"), ["data:/data"]),
    (volumes, ("services", "valkey", "volumes"), ["valkey:/data", "./deploy:/deploy"]),
    (volumes, ("volumes", "more"), {}),
    (networks, ("services", "grafana", "networks"), ["inside"]),
    (networks, ("services", "grafana", "networks"), ["elsewhere"]),
    (variables, ("services", "worker", "environment"), {"SVODKA_DATABASE_URL": "x"}),
    (commands, ("services", "flower", "command"), ["svodka", "bloom"]),
    (commands, ("services", "flower", "command"), ["svodka", "flower", "--fast"]),
    (commands, ("services", "beat", "command"), ["celery", "-A", "tasks", "beet"]),
    (commands, ("services", "beat", "command"), ["sh"]),
]


@pytest.mark.parametrize(("rule", "path", "value"), BAD, ids=lambda part: getattr(part, "__name__", None))
def test_a_rule_fires(rule, path, value):
    assert list(rule(spoilt(path, value), TEXT))


@pytest.mark.parametrize("line", ["SVODKA_COLOUR: red", "SVODKA_TENANT_FILE: x", "X: ${HOME}"])
def test_a_variable_that_is_no_setting_is_found(line):
    assert list(variables(COMPOSE, f"{TEXT}\n{line}\n"))


def test_an_image_that_is_named_twice_is_found():
    assert list(images(COMPOSE, f"{TEXT}\nimage: {COMPOSE['x-images']['valkey']}\n"))


def test_it_is_a_compose_file():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_the_worker_is_started_as_on_any_machine():
    """Its command is the stack's but for the level of its log, which a setting says."""
    (worker, beat, *_) = children(settings.load())
    told = [word for word in worker.argv[1:] if word not in {"-m", "--loglevel", "INFO"}]
    assert COMPOSE["services"]["worker"]["command"] == told
    assert COMPOSE["services"]["beat"]["command"] == [
        w for w in beat.argv[1:] if w not in {"-m", "--loglevel", "INFO"}
    ]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_secrets_are_made_once_and_our_services_can_read_them(profile, tmp_path, monkeypatch):
    folder = tmp_path / "secrets"

    def make():
        script = ["sh", str(ROOT / "deploy" / "secrets.sh"), profile, str(folder)]
        return subprocess.run(script, capture_output=True, text=True, check=True).stdout

    assert make()
    before = {one.name: one.read_text("utf-8") for one in folder.iterdir()}
    assert make() == ""
    assert {one.name: one.read_text("utf-8") for one in folder.iterdir()} == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    listed = {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    assert listed <= set(before)
    assert all(Path(one["file"]).parent == Path("deploy/secrets") for one in COMPOSE["secrets"].values())
    for name, one in ours(COMPOSE).items():
        with monkeypatch.context() as patch:
            for variable, value in environment(one).items():
                text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
                patch.setenv(variable, text.replace("/run/secrets", str(folder)))
            for line in (folder / "environment").read_text("utf-8").split():
                patch.setenv(*line.split("=", 1))
            set_ = settings.load()
        scheme = "amqp" if profile == "full" else "redis"
        assert set_.broker_url.get_secret_value().startswith(f"{scheme}://"), name
        assert set_.database_url.get_secret_value().endswith("@postgres:5432/svodka"), name
        assert bool(set_.qdrant_url) is bool(set_.neo4j_url) is (profile == "full"), name
    assert len({before[name] for name in before if name.endswith(("_password", "_key"))}) >= 6


def test_the_secrets_are_not_tracked_and_not_sent_to_the_builder():
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert "/deploy/secrets/" in ignored
    assert (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1] == "*"


def test_what_is_mounted_is_in_the_repository():
    sources = {
        volume.split(":")[0]
        for _, one in services(COMPOSE)
        for volume in one.get("volumes", [])
        if volume.startswith("./")
    }
    assert sources
    assert [source for source in sorted(sources) if not (ROOT / source).exists()] == []


def test_monitoring_in_containers_is_monitoring_anywhere_by_the_services_names():
    files = (
        yaml.safe_load((ROOT / name / "prometheus.yml").read_text("utf-8"))
        for name in ("deploy", "monitoring")
    )
    there, here = (yaml.safe_dump(one) for one in files)
    assert (
        there.replace("alertmanager:9093", "localhost:9093").replace("metrics:9188", "localhost:9188") == here
    )
    for file in (ROOT / "monitoring" / "grafana" / "provisioning" / "dashboards").glob("*.yml"):
        for provider in yaml.safe_load(file.read_text("utf-8"))["providers"]:
            mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]]
            assert provider["options"]["path"] in mounted


def test_every_secret_that_svodka_takes_can_be_given_to_it():
    """One that is new in the settings has to come here and to deploy/secrets.sh too."""
    secret = {
        name for name, field in settings.Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
    given = {name for one in ours(COMPOSE).values() for name in environment(one) if name.endswith("_FILE")}
    assert {f"{settings.PREFIX}{name.upper()}_FILE" for name in secret} == given
    assert secret <= set(COMPOSE["secrets"])
