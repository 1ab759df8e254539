"""Fetches and builds the client programs with each language's own tools, into build/matrix.

Every function returns the command that starts a program. It skips the calling test where a tool or
its registry is absent; a program that does not compile is a failure.
"""
import fcntl
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build/matrix"
SLOW = 900
JVM = ["java", "-Xmx384m", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>maplog.tests</groupId><artifactId>matrix</artifactId><version>1</version>
  <dependencies>{}</dependencies>
</project>
"""
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def run(*command, **others):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SLOW, **others)
    if done.returncode:
        pytest.fail(f"{command}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def fetch(what, *command, **others):
    """As run(), but for something that a registry must give."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SLOW, **others)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
        pytest.skip(f"{what} cannot be fetched")


def made_of(*sources):
    """A text that changes when a source does."""
    return "".join(f"{path.name} {path.stat().st_mtime_ns}\n" for path in sources)


class Folder:
    """A folder of build/matrix that one process at a time fills; `fresh` says that it need not."""

    def __init__(self, name, stamp):
        self.path, self.stamp = BUILD / name, stamp

    def __enter__(self):
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock = open(f"{self.path}.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.mark = self.path / ".made"
        self.fresh = self.mark.exists() and self.mark.read_text() == self.stamp
        return self

    def __exit__(self, failure, *_):
        if not failure:
            self.mark.write_text(self.stamp)
        self.lock.close()


# ---- Java ------------------------------------------------------------------------------------------

def jars(name, *artifacts):
    """A class path of "group:artifact:version" and what they need."""
    need("java", "javac", "mvn")
    if int(re.search(r"(\d+)", run("javac", "-version")).group(1)) < 17:
        pytest.skip("no JDK 17 or later is installed")
    with Folder(f"jars-{name}", " ".join(artifacts)) as folder:
        if not folder.fresh:
            shutil.rmtree(folder.path / "lib", ignore_errors=True)
            pom = folder.path / "pom.xml"
            pom.write_text(POM.format("".join(DEPENDENCY.format(*each.split(":")) for each in artifacts)))
            fetch(name, "mvn", "-q", "-B", "-ntp", "-f", pom, "dependency:copy-dependencies",
                  f"-DoutputDirectory={folder.path}/lib")
    return f"{folder.path}/lib/*"


def classes(name, path, *sources):
    sources = [HERE / "java" / source for source in sources]
    with Folder(f"classes-{name}", path + made_of(*sources)) as folder:
        if not folder.fresh:
            run("javac", "-nowarn", "-cp", path, "-d", folder.path, *sources)
    return f"{folder.path}:{path}"


@functools.cache
def java(version):
    """The client of ../java with Kafka's client of that version."""
    path = jars(version, f"org.apache.kafka:kafka-clients:{version}", "org.slf4j:slf4j-nop:1.7.36",
                "com.fasterxml.jackson.core:jackson-databind:2.17.2")
    return [*JVM, "-cp", classes(version, path, "Repl.java", "Client.java"), "Client"]


@functools.cache
def administration(version):
    path = java(version)[-2].split(":", 1)[1]
    return [*JVM, "-cp", classes(f"administration-{version}", path, "Repl.java", "Administration.java"),
            "Administration"]


@functools.cache
def kafka_tools():
    """To be followed by the class of one of Kafka's command line tools."""
    path = jars("tools", "org.apache.kafka:kafka-tools:4.3.1", "org.apache.kafka:kafka_2.13:4.3.1")
    return [*JVM, "-cp", path]


# ---- Go --------------------------------------------------------------------------------------------

@functools.cache
def go(name):
    need("go")
    with Folder("go", "") as folder:
        fetch("the Go modules", "go", "mod", "download", cwd=HERE / "go")
        run("go", "build", "-buildvcs=false", "-o", folder.path / name, f"./{name}", cwd=HERE / "go")
    return [folder.path / name]


# ---- Node ------------------------------------------------------------------------------------------

def modules():
    """The packages of node/package.json; native parts are built apart."""
    need("node", "npm")
    package = HERE / "node/package.json"
    with Folder("node", package.read_text()) as folder:
        if not folder.fresh:
            shutil.copy(package, folder.path)
            fetch("the npm packages", "npm", "install", "--no-audit", "--no-fund", "--no-package-lock",
                  "--ignore-scripts", cwd=folder.path)
    return folder.path / "node_modules"


def program(name):
    # Modules are looked for beside the program, so it must lie beside them.
    source = HERE / "node"
    with Folder("node", (source / "package.json").read_text()) as folder:
        for file in ("repl.js", name):
            shutil.copy(source / file, folder.path)
    return folder.path / name


@functools.cache
def node(name):
    modules()
    return ["node", program(name)]


# ---- librdkafka ------------------------------------------------------------------------------------

def librdkafka():
    """The folder of librdkafka's sources, as the npm package brings them, built."""
    source = modules() / "@confluentinc/kafka-javascript/deps/librdkafka"
    need("make", "gcc", "g++")
    version = (modules().parent / "package.json").read_text()
    with Folder("librdkafka", version) as folder:
        if not folder.fresh:
            shutil.copytree(source, folder.path, dirs_exist_ok=True)
            run("./configure", "--disable-ssl", "--disable-gssapi", "--disable-curl", "--enable-zstd", cwd=folder.path)
            run("make", "-j2", "libs", cwd=folder.path)
    return folder.path


@functools.cache
def confluent():
    """confluent.js, whose native part is linked with the librdkafka above."""
    built = librdkafka()
    package = modules() / "@confluentinc/kafka-javascript"
    headers = pathlib.Path(os.path.realpath(shutil.which("node"))).parents[1]
    given = [f"--nodedir={headers}"] if (headers / "include/node/node.h").exists() else []
    with Folder("confluent", made_of(built / "src/librdkafka.so.1")) as folder:
        if not folder.fresh:
            paths = f"{built}/src:{built}/src-cpp"
            # In front of /usr/include/librdkafka, which the package looks into by itself.
            compiler = f"{os.environ.get('CXX', 'g++')} -I{built}/src -I{built}/src-cpp"
            gyp = ["npx", "--yes", "node-gyp@12"]
            fetch("what builds native packages", *gyp, *(["--version"] if given else ["install"]))
            run(*gyp, "rebuild", "-j2", *given, cwd=package,
                env={**os.environ, "BUILD_LIBRDKAFKA": "0", "LIBRARY_PATH": paths, "LD_RUN_PATH": paths,
                     "CXX": compiler})
    return ["node", program("confluent.js")]
