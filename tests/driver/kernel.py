"""Debian's cloud kernel for the test machine: one whose headers are installed, and its image of the
same version, which is fetched once into build/driver."""
import glob
import os
import re
import shutil
import subprocess
import tempfile


class Unavailable(Exception):
    """What the tests need is not on this machine, and cannot be had."""


class Mismatch(Exception):
    """Headers and image are not those of one kernel."""


def installed():
    """The releases whose headers are here, as 6.1.0-56-cloud-amd64, the newest last."""
    prefix = "/usr/src/linux-headers-"
    releases = [path[len(prefix):] for path in glob.glob(prefix + "*-cloud-amd64")]
    if not releases:
        raise Unavailable("no headers of a cloud kernel are installed (linux-headers-cloud-amd64)")
    return sorted(releases, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def version_of(release):
    """The version of Debian's package, as 6.1.192-2."""
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "linux-headers-" + release],
                           capture_output=True, text=True)
    if query.returncode != 0:
        raise Unavailable(f"linux-headers-{release} is not installed")
    return query.stdout


def image(release, version, folder):
    """The path of the kernel's image, which is fetched when it is not there yet."""
    path = f"{folder}/vmlinuz-{release}_{version}"
    if not os.path.exists(path):
        fetch(release, version, path)
    banner = banner_of(path)
    if not banner.startswith(release + " ") or f" Debian {version} " not in banner:
        raise Mismatch(f"{path} is another kernel than the headers {release} {version}: {banner}; "
                       "remove it")
    return path


def fetch(release, version, path):
    package = f"linux-image-{release}={version}"
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        apt = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package],
                             cwd=folder, capture_output=True, text=True)
        debs = glob.glob(folder + "/*.deb")
        if apt.returncode != 0 or not debs:
            said = (apt.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Unavailable(f"{package} cannot be fetched ({said}); with a network, `apt-get update` and "
                              "`apt-get install linux-headers-cloud-amd64` bring both to one version")
        unpack = f"dpkg --fsys-tarfile {debs[0]} | tar -xO ./boot/vmlinuz-{release}"
        with open(folder + "/vmlinuz", "wb") as file:
            subprocess.run(["bash", "-o", "pipefail", "-c", unpack], stdout=file, check=True)
        os.replace(folder + "/vmlinuz", path)


def banner_of(path):
    """The text in the image that says which kernel it is; its place stands in the boot header."""
    with open(path, "rb") as file:
        head = file.read(65536)
    at = int.from_bytes(head[0x20e:0x210], "little") + 0x200
    return head[at:at + 256].split(b"\0")[0].decode(errors="replace")


def require_programs():
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"), ("/bin/busybox", "busybox-static")):
        if not shutil.which(program):
            raise Unavailable(f"{package} is not installed")
