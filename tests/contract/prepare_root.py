#!/usr/bin/env python3
"""Makes the root file system that the package managers' contract is tried in: prepare_root.py apt|rpm FOLDER

FOLDER/root gets a real root from the lab's cache with packages of our own installed from a local repository of our own,
signed by a key made here. Nothing in it asks the network. The packages, in both forms:

    belay-app   1.0 1.1 1.2   needs belay-lib of its own version; 1.1 is a security update
    belay-lib   1.0 1.1 1.2   installed only as a dependency
    belay-conf  1.0 1.1       has a configuration file
    belay-needs 1.0 1.1       1.1 needs belay-new, which is not installed
    belay-bad   1.0 1.1       the script of 1.1 fails
    belay-big   1.0 1.1       1.1 is 24 MB under /opt/belay-big
    belay-new   1.0
"""

import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from lab import roots  # noqa: E402

SKIP = 77
PACKAGES = {
    "belay-app": ("1.0", "1.1", "1.2"),
    "belay-lib": ("1.0", "1.1", "1.2"),
    "belay-conf": ("1.0", "1.1"),
    "belay-needs": ("1.0", "1.1"),
    "belay-bad": ("1.0", "1.1"),
    "belay-big": ("1.0", "1.1"),
    "belay-new": ("1.0",),
}
SECURITY = {("belay-app", "1.1"), ("belay-lib", "1.1")}
KEY_PARAMETERS = "%no-protection\nKey-Type: EDDSA\nKey-Curve: ed25519\nName-Real: Belay lab\nName-Email: lab@belay.invalid\nExpire-Date: {expire}\n%commit\n"


def run(*words, **options):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{result.stdout}{result.stderr}")
    return result.stdout


def inside(root, *words):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    return run("chroot", root, *words, env=environment)


def make_key(home, expire="0", *more):
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", *more]
    run(*gpg, "--gen-key", input=KEY_PARAMETERS.format(expire=expire))
    return gpg


# ---- deb

def needs_of(name, version):
    if name == "belay-app":
        return [("belay-lib", version)]
    return [("belay-new", None)] if (name, version) == ("belay-needs", "1.1") else []


def build_deb(folder, name, version):
    tree = folder / f"{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "opt" / name).mkdir(parents=True)
    (tree / "opt" / name / "version").write_text(version + "\n")
    if (name, version) == ("belay-big", "1.1"):
        (tree / "opt" / name / "data").write_bytes(b"belay" * 5_000_000)
    depends = ", ".join(f"{n} (= {v}-1)" if v else n for n, v in needs_of(name, version))
    control = f"Package: {name}\nVersion: {version}-1\nArchitecture: all\nMaintainer: Belay lab <lab@belay.invalid>\nSection: misc\nPriority: optional\nDescription: for tests\n"
    (tree / "DEBIAN" / "control").write_text(control + (f"Depends: {depends}\n" if depends else ""))
    if name == "belay-conf":
        (tree / "etc").mkdir()
        (tree / "etc" / "belay-conf.conf").write_text(f"default of {version}\n")
        (tree / "DEBIAN" / "conffiles").write_text("/etc/belay-conf.conf\n")
    if (name, version) == ("belay-bad", "1.1"):
        script = tree / "DEBIAN" / "postinst"
        script.write_text("#!/bin/sh\necho 'this script fails as it should' >&2\nexit 1\n")
        script.chmod(0o755)
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, folder / f"{name}_{version}-1_all.deb")


def publish_deb(root, gpg, suite, packages, label, codename=None):
    """dists/SUITE of /srv/repository, signed. `packages`: (name, version) pairs."""
    repository = root / "srv/repository"
    names = repository / "dists" / suite / "main" / "binary-amd64"
    names.mkdir(parents=True, exist_ok=True)
    pool = repository / "pool" / suite
    shutil.rmtree(pool, ignore_errors=True)
    pool.mkdir(parents=True)
    for name, version in packages:
        shutil.copy(root / "srv/debs" / f"{name}_{version}-1_all.deb", pool)
    (names / "Packages").write_text(run("apt-ftparchive", "packages", f"pool/{suite}", cwd=repository))
    release = ["-o", "APT::FTPArchive::Release::Origin=Belay", "-o", f"APT::FTPArchive::Release::Label={label}", "-o", f"APT::FTPArchive::Release::Suite={suite}",
               "-o", f"APT::FTPArchive::Release::Codename={codename or suite}", "-o", "APT::FTPArchive::Release::Components=main", "-o", "APT::FTPArchive::Release::Architectures=amd64"]
    folder = repository / "dists" / suite
    (folder / "InRelease").unlink(missing_ok=True)
    (folder / "Release").write_text(run("apt-ftparchive", *release, "release", f"dists/{suite}", cwd=repository))
    run(*gpg, "--yes", "--clearsign", "-o", folder / "InRelease", folder / "Release")
    (folder / "Release").unlink()


def prepare_apt(folder):
    root = folder / "root"
    roots.unpack("bookworm", root)
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    shutil.rmtree(root / "etc/apt/sources.list.d", ignore_errors=True)
    (root / "etc/apt/sources.list.d").mkdir()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    gpg = make_key(folder / "gpg")
    (root / "etc/apt/belay.gpg").write_bytes(subprocess.run([*map(str, gpg), "--export"], capture_output=True, check=True).stdout)
    line = "deb [signed-by=/etc/apt/belay.gpg] file:/srv/repository {} main\n"
    (root / "etc/apt/sources.list").write_text(line.format("stable") + line.format("stable-security"))
    debs = root / "srv/debs"
    debs.mkdir(parents=True)
    for name, versions in PACKAGES.items():
        for version in versions:
            build_deb(debs, name, version)
    everything = [(name, version) for name, versions in PACKAGES.items() for version in versions]
    publish_deb(root, gpg, "stable", [one for one in everything if one not in SECURITY], "Test")
    publish_deb(root, gpg, "stable-security", [one for one in everything if one in SECURITY], "Test-Security")
    inside(root, "apt-get", "-q", "update")
    wanted = [f"{name}=1.0-1" for name in ("belay-app", "belay-conf", "belay-needs", "belay-bad", "belay-big")]
    inside(root, "apt-get", "-qy", "install", "belay-lib=1.0-1", *wanted)
    inside(root, "apt-mark", "auto", "belay-lib")
    inside(root, "apt-get", "clean")


# ---- rpm

SPEC = """Name: {name}
Version: {version}
Release: 1.el9
Summary: for tests
License: none
Vendor: Belay lab
BuildArch: noarch
{requires}
%description
for tests
%install
mkdir -p %{{buildroot}}/opt/{name} %{{buildroot}}/etc
echo {version} > %{{buildroot}}/opt/{name}/version
{install}
%files
/opt/{name}/version
{files}
"""


def build_rpm(folder, name, version):
    words = {"name": name, "version": version, "requires": "", "install": "", "files": ""}
    words["requires"] = "\n".join(f"Requires: {n} = {v}" if v else f"Requires: {n}" for n, v in needs_of(name, version))
    if name == "belay-conf":
        words["install"] = f"echo default of {version} > %{{buildroot}}/etc/belay-conf.conf"
        words["files"] = "%config(noreplace) /etc/belay-conf.conf"
    if name == "belay-shell":
        words["requires"] = "Provides: /bin/sh"
    if (name, version) == ("belay-big", "1.1"):
        words["install"] = "yes belay | head -c 24000000 > %{buildroot}/opt/belay-big/data"
        words["files"] = "/opt/belay-big/data"
    spec = SPEC.format(**words)
    if (name, version) == ("belay-bad", "1.1"):
        spec += "%pre\necho 'this script fails as it should' >&2\nexit 1\n"
    path = folder / f"{name}-{version}.spec"
    path.write_text(spec)
    run("rpmbuild", "-bb", "--define", f"_topdir {folder}", "--define", f"_rpmdir {folder}/RPMS", "--define", "_binary_payload w0.gzdio", path)


def updateinfo():
    package = '<package name="{}" version="1.1" release="1.el9" epoch="0" arch="noarch" src="x.src.rpm"><filename>{}-1.1-1.el9.noarch.rpm</filename></package>'
    def update(kind, notice, severity, references, names):
        packages = "".join(package.format(name, name) for name in names)
        return (f'<update from="lab@belay.invalid" status="final" type="{kind}" version="1"><id>{notice}</id><title>{notice}</title>'
                f'<issued date="2026-10-01 10:00:00"/><updated date="2026-10-02 11:00:00"/>{severity}<description>for tests</description>'
                f'<references>{references}</references><pkglist><collection short="t"><name>t</name>{packages}</collection></pkglist></update>')
    cve = '<reference href="https://belay.invalid" id="CVE-2026-1111" type="cve" title="CVE-2026-1111"/>'
    return ('<?xml version="1.0"?><updates>' + update("security", "TSA-2026:0001", "<severity>Important</severity>", cve, ("belay-app", "belay-lib"))
            + update("bugfix", "TBA-2026:0002", "", "", ("belay-conf",)) + "</updates>")


def publish_rpm(root, packages):
    repository = root / "srv/repository"
    shutil.rmtree(repository, ignore_errors=True)
    repository.mkdir(parents=True)
    for name, version in packages:
        shutil.copy(root / "srv/rpms/RPMS/noarch" / f"{name}-{version}-1.el9.noarch.rpm", repository)
    run("createrepo_c", "-q", repository)
    (root / "srv/updateinfo.xml").write_text(updateinfo())
    run("modifyrepo_c", "--mdtype=updateinfo", root / "srv/updateinfo.xml", repository / "repodata")


def prepare_rpm(folder):
    root = folder / "root"
    roots.unpack("rpm", root)
    (root / "etc/yum.repos.d/belay.repo").write_text("[belay]\nname=belay\nbaseurl=file:///srv/repository\ngpgcheck=0\n")
    build = root / "srv/rpms"
    build.mkdir(parents=True)
    everything = [(name, version) for name, versions in PACKAGES.items() for version in versions] + [("belay-shell", "1.0")]
    for name, version in everything:
        build_rpm(build, name, version)
    publish_rpm(root, everything)
    names = ("belay-shell", "belay-lib", "belay-app", "belay-conf", "belay-needs", "belay-bad", "belay-big")
    inside(root, "dnf", "-qy", "install", *(f"{name}-1.0" for name in names))


def republish(kind, folder, root):
    """The repository forgets every 1.0."""
    kept = [(name, version) for name, versions in PACKAGES.items() for version in versions if version != "1.0" or name == "belay-new"]
    if kind == "rpm":
        publish_rpm(root, kept + [("belay-shell", "1.0")])
        inside(root, "dnf", "-q", "--refresh", "makecache")
        return
    gpg = ["gpg", "--homedir", folder / "gpg", "--batch", "--quiet"]
    publish_deb(root, gpg, "stable", [one for one in kept if one not in SECURITY], "Test")
    inside(root, "apt-get", "-q", "update")


def main():
    action, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    tools = {"apt": ("dpkg-deb", "apt-ftparchive", "gpg", "zstd", "chroot"), "rpm": ("rpmbuild", "createrepo_c", "modifyrepo_c", "zstd", "chroot")}
    kind = action.removeprefix("republish-")
    missing = [tool for tool in tools[kind] if not shutil.which(tool)]
    if missing:
        print(f"not installed: {', '.join(missing)}")
        sys.exit(SKIP)
    if action.startswith("republish-"):
        return republish(kind, folder, pathlib.Path(sys.argv[3]))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (prepare_rpm if kind == "rpm" else prepare_apt)(folder)
    except roots.LabError as error:
        print(f"no root file system: {error}")
        sys.exit(SKIP)


if __name__ == "__main__":
    main()
