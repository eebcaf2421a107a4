"""The package archives this machine uses itself, read from its apt configuration at run time."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.system import LabError

APT = Path("/etc/apt")


@dataclass(frozen=True)
class Source:
    """One archive: where it is and which suites and components of it are used."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int


def read_sources(apt: Path = APT) -> list[Source]:
    """Every enabled binary source of sources.list and sources.list.d, in apt's order."""
    files = [str(apt / "sources.list")] + sorted(glob.glob(str(apt / "sources.list.d" / "*")))
    sources: list[Source] = []
    for name in files:
        path = Path(name)
        if path.suffix == ".sources":
            sources += parse_deb822(path.read_text(encoding="utf-8"))
        elif path.suffix == ".list" and path.is_file():
            sources += parse_one_line(path.read_text(encoding="utf-8"))
    return sources


def parse_one_line(text: str) -> list[Source]:
    """`deb [options] uri suite component...`, a line each."""
    sources = []
    for line in text.splitlines():
        line = re.sub(r"\[[^]]*\]", " ", line.split("#", 1)[0])
        words = line.split()
        if len(words) >= 3 and words[0] == "deb":
            sources.append(Source(words[1].rstrip("/"), (words[2],), tuple(words[3:])))
    return sources


def parse_deb822(text: str) -> list[Source]:
    """Stanzas of `Field: value`; a value goes on in lines that begin with white space."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    sources = []
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, list[str]] = {}
        current = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields.setdefault(current, []).extend(line.split())
            elif ":" in line:
                current, _, value = line.partition(":")
                current = current.strip().lower()
                fields[current] = value.split()
        if fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "0") or "deb" not in fields.get("types", []):
            continue
        for uri in fields.get("uris", []):
            sources.append(Source(uri.rstrip("/"), tuple(fields.get("suites", [])), tuple(fields.get("components", []))))
    return sources


def codename() -> str:
    """The release this machine runs, for example bookworm."""
    match = re.search(r"^VERSION_CODENAME=(\S+)$", Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE)
    return match.group(1).strip('"') if match else ""


def debian_archive(sources: list[Source] | None = None) -> str:
    """The archive this machine takes Debian itself from."""
    return _find(sources, codename())


def security_archive(sources: list[Source] | None = None) -> str:
    """The archive this machine takes Debian's security updates from."""
    return _find(sources, f"{codename()}-security")


def _find(sources: list[Source] | None, suite: str) -> str:
    for source in read_sources() if sources is None else sources:
        if suite in source.suites and "main" in source.components and source.uri.startswith("http"):
            return source.uri
    raise LabError(f"this machine's apt configuration names no http source with the suite {suite} and the component main: "
                   f"add one under {APT}, the lab makes its hosts from it")


def endpoint(uri: str) -> Endpoint:
    parts = urlsplit(uri)
    if not parts.hostname:
        raise LabError(f"the archive {uri} has no host name")
    return Endpoint(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
