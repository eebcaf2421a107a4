"""Local signed rpm repositories with advisories, for hosts of the rpm root."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from lab.hosts import Host
from lab.keys import SigningKey
from lab.system import run

RELEASE = "1.el9"


@dataclass(frozen=True)
class Rpm:
    """What goes into one package. `scripts`: spec sections (post, pre ...) to shell; `tags`: spec tags to values."""

    name: str
    version: str
    scripts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "noarch"


@dataclass(frozen=True)
class Advisory:
    """One vendor's notice, as updateinfo.xml carries it."""

    id: str
    kind: str                # security, bugfix, enhancement
    severity: str            # Critical, Important, Moderate, Low or ""
    packages: tuple[Rpm, ...]
    cves: tuple[str, ...] = ()
    reboot_suggested: bool = False
    issued: str = "2026-11-01 00:00:00"


def base() -> Rpm:
    """What other packages' scripts need and no rpm of a Debian root provides."""
    return Rpm("base-fake", "1.0", tags={"Provides": "/bin/sh, /usr/bin/sh"})


class RpmRepository:
    """One repository; `publish` writes and signs it."""

    def __init__(self, folder: Path, key: SigningKey):
        self.folder = folder
        self.key = key
        (folder / "packages").mkdir(parents=True)
        self._advisories: list[Advisory] = []

    def add(self, *rpms: Rpm) -> None:
        for rpm in rpms:
            self._build(rpm)

    def advise(self, *advisories: Advisory) -> None:
        self._advisories += advisories

    def publish(self) -> None:
        shutil.rmtree(self.folder / "repodata", ignore_errors=True)
        run(["createrepo_c", "--quiet", "--simple-md-filenames", self.folder])
        metadata = self.folder / "repodata"
        if self._advisories:
            notes = self.folder.parent / "updateinfo.xml"
            notes.write_text(updateinfo(self._advisories))
            run(["modifyrepo_c", "--mdtype=updateinfo", notes, metadata])
        self.key.detach_sign(metadata / "repomd.xml", metadata / "repomd.xml.asc")
        shutil.copy(self.key.public_file, self.folder / "key.asc")

    def offer_to(self, host: Host, base_url: str) -> None:
        """Writes the host's repository file and trusts its key."""
        url = f"{base_url}/{self.folder.name}"
        host.put_text("/etc/yum.repos.d/lab.repo",
                      f"[lab]\nname=Lab\nbaseurl={url}\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n"
                      f"gpgkey={url}/key.asc\nmetadata_expire=1\n")
        host.put_text("/etc/pki/lab.asc", self.key.public_file.read_text())
        host.run(["rpm", "--import", "/etc/pki/lab.asc"])

    def _build(self, rpm: Rpm) -> Path:
        work = self.folder.parent / "rpmbuild"
        work.mkdir(parents=True, exist_ok=True)
        spec = work / f"{rpm.name}.spec"
        spec.write_text(_spec(rpm))
        run(["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {work}", "--define", f"_rpmdir {self.folder / 'packages'}",
             "--define", "_build_id_links none", spec])
        file = next((self.folder / "packages").rglob(f"{rpm.name}-{rpm.version}-{RELEASE}.{rpm.architecture}.rpm"))
        run(["rpmsign", "--define", f"_gpg_name {self.key.name}", "--define", "__gpg /usr/bin/gpg", "--addsign", file],
            environment=self.key.environment)
        return file


def _spec(rpm: Rpm) -> str:
    folder = f"/usr/share/{rpm.name}"
    tags = "".join(f"{key}: {value}\n" for key, value in rpm.tags.items())
    arch = f"BuildArch: {rpm.architecture}\n" if rpm.architecture == "noarch" else ""
    scripts = "".join(f"%{section}\n{text}\n" for section, text in rpm.scripts.items())
    # Paths carry the version, so that several versions of an install-only package can stay side by side.
    return (f"Name: {rpm.name}\nVersion: {rpm.version}\nRelease: {RELEASE}\nSummary: test package\nLicense: none\n{arch}{tags}"
            f"%description\ntest package\n%install\nmkdir -p %{{buildroot}}{folder}-{rpm.version}\n"
            f"echo {rpm.version} > %{{buildroot}}{folder}-{rpm.version}/version\n{scripts}%files\n{folder}-{rpm.version}\n")


def updateinfo(advisories: list[Advisory]) -> str:
    return "<?xml version=\"1.0\"?>\n<updates>\n" + "".join(map(_update, advisories)) + "</updates>\n"


def _update(advisory: Advisory) -> str:
    references = "".join(
        f"<reference href={quoteattr('https://example.invalid/' + cve)} id={quoteattr(cve)} type=\"cve\" title={quoteattr(cve)}/>"
        for cve in advisory.cves)
    reboot = "<reboot_suggested>True</reboot_suggested>" if advisory.reboot_suggested else ""
    packages = "".join(
        f"<package name={quoteattr(rpm.name)} version={quoteattr(rpm.version)} release=\"{RELEASE}\" epoch=\"0\" "
        f"arch=\"{rpm.architecture}\"><filename>{rpm.name}-{rpm.version}-{RELEASE}.{rpm.architecture}.rpm</filename>{reboot}</package>"
        for rpm in advisory.packages)
    severity = f"<severity>{escape(advisory.severity)}</severity>" if advisory.severity else ""
    return (f"<update from=\"lab\" status=\"final\" type={quoteattr(advisory.kind)} version=\"1\"><id>{escape(advisory.id)}</id>"
            f"<title>{escape(advisory.id)}</title>{severity}<issued date={quoteattr(advisory.issued)}/>"
            f"<description>{escape(advisory.id)}</description><references>{references}</references>"
            f"<pkglist><collection short=\"lab\"><name>lab</name>{packages}</collection></pkglist></update>\n")
