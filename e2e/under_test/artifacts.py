"""Things that tests download or compile once: each lives under ~/.cache/barnabas, keyed by what it was made from.

Refuses to hand out a half-made artifact: it is built beside its place, then renamed into it, under a lock.
"""

import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("BARNABAS_CACHE", Path.home() / ".cache" / "barnabas"))


def key_of(paths, *words):
    """A short key over the content and the names of the files under `paths`, and over `words` (tool versions)."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            digest.update(file.relative_to(REPOSITORY).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def made_once(name, key, build):
    """The directory `name-key` of the cache; `build(directory)` fills it the first time, whoever comes first."""
    place = CACHE / f"{name}-{key}"
    if place.is_dir():
        return place
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.is_dir():
            return place
        fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
        try:
            build(fresh)
            fresh.chmod(0o755)
            fresh.rename(place)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return place


def run(command, **options):
    """Runs a build step; its output is shown only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} exited {done.returncode}:\n{done.stdout[-4000:]}")


def python_with(version):
    """A virtual environment with confluent-kafka of one version: what its requirements file pins."""
    requirements = REPOSITORY / "e2e" / "clients" / "python" / f"requirements-{version}.txt"

    def build(directory):
        run([sys.executable, "-m", "venv", directory])
        run([directory / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", requirements])

    return made_once(f"wheels-{version}", key_of([requirements], sys.version), build)


def maven_project(name, project):
    """Compiles a Maven project of ours; answers its class path: its classes and the jars it depends on."""

    def build(directory):
        run(["mvn", "-q", "-B", f"-Dbarnabas.build={directory}", "process-classes"], cwd=project)

    place = made_once(name, key_of([project / "pom.xml", project / "src"]), build)
    return f"{place / 'classes'}:{place / 'libs'}/*"


def judge_class_path():
    """Apache Kafka's server and tools, and the Judge that runs them."""
    return maven_project("judge", REPOSITORY / "e2e" / "kafka")


@functools.cache
def barnabas_binary():
    """Our binary: BARNABAS_BINARY when given, else what cargo builds in profile BARNABAS_PROFILE (default ci).

    Built once per run: a restart in the middle of a test must not wait for a build that goes on elsewhere.
    """
    given = os.environ.get("BARNABAS_BINARY")
    if given:
        return Path(given)
    profile = os.environ.get("BARNABAS_PROFILE", "ci")
    command = ["cargo", "build", "--quiet", "--profile", profile, "-p", "barnabas", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited {done.returncode}")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == "barnabas":
            return Path(message["executable"])
    raise RuntimeError("cargo built no binary named barnabas")
