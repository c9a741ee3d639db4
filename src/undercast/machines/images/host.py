"""What a default image inherits from this machine: package sources, apt and pip settings, certificates.

An image built behind a company's proxy or mirror then works behind it too.
"""

from __future__ import annotations

import configparser
import os
import platform
import re
import subprocess
from pathlib import Path

from undercast.machines.errors import Unsupported

SOURCES = Path("/etc/apt/sources.list.d")
CERTIFICATES = Path("/usr/local/share/ca-certificates")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
APT_KEYS = re.compile(r"^Acquire::(?:(?:http|https|ftp)::|Check-|Languages|Retries|ForceIPv)")


def codename() -> str:
    """The release packages are taken from: "bookworm", "trixie", "noble".

    Raises:
        Unsupported: this is no Debian or Ubuntu.
    """
    release = platform.freedesktop_os_release()
    if release.get("ID") not in ("debian", "ubuntu"):
        raise Unsupported(
            "The default image is built from Debian's or Ubuntu's packages, and this machine runs neither. "
            "Import an image instead: `undercast image import`."
        )
    return release["VERSION_CODENAME"]


def sources(release: str) -> str:
    """The machine's own package sources for `release` and its updates, as one deb822 text."""
    stanzas: list[str] = []
    for path in sorted(SOURCES.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            lines = [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]
            if any(_wanted(line, release) for line in lines):
                stanzas.append("\n".join(lines))
    for path in [Path("/etc/apt/sources.list"), *sorted(SOURCES.glob("*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else ():
            if found := re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line):
                if not _wanted(f"Suites: {found[3]}", release):
                    continue
                signed = re.search(r"signed-by=(\S+)", found[1] or "")
                key = f"\nSigned-By: {signed[1]}" if signed else ""
                stanzas.append(
                    f"Types: deb\nURIs: {found[2]}\nSuites: {found[3]}\nComponents: {found[4]}{key}"
                )
    if not stanzas:
        raise Unsupported(f"No package source for {release} was found in /etc/apt.")
    return "\n\n".join(stanzas) + "\n"


def _wanted(line: str, release: str) -> bool:
    if not line.startswith("Suites:"):
        return False
    known = {release, f"{release}-updates", f"{release}-security"}
    return bool(known & set(line.split()[1:]))


def apt_settings() -> str:
    """Proxies, retries and checks as apt here has them; nothing that names files of this machine."""
    listing = subprocess.run(
        ["apt-config", "dump", "--no-empty"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    return "".join(line + "\n" for line in listing.splitlines() if APT_KEYS.match(line))


def pip_settings() -> str:
    """The index settings of this machine's pip that make sense elsewhere: URLs, no local paths."""
    merged: dict[str, str] = {}
    parser = configparser.ConfigParser(interpolation=None)
    homes = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
    parser.read([Path(home).expanduser() for home in homes])
    if parser.has_section("global"):
        merged |= dict(parser["global"])
    for key in ("index-url", "extra-index-url", "trusted-host"):
        if value := os.environ.get("PIP_" + key.upper().replace("-", "_")):
            merged[key] = value
    lines: list[str] = []
    for key in ("index-url", "extra-index-url", "trusted-host", "timeout", "default-timeout"):
        words = [word for word in merged.get(key, "").split() if not word.startswith(("/", "file:"))]
        if words:
            lines.append(f"{key} = {' '.join(words)}")
    if own_certificates():
        lines.append("cert = /etc/ssl/certs/ca-certificates.crt")
    lines.append("disable-pip-version-check = true")
    return "[global]\n" + "\n".join(lines) + "\n"


def own_certificates() -> dict[str, bytes]:
    """The certificates this machine's owner trusts beyond the distribution's, by file name."""
    return {path.name: path.read_bytes() for path in sorted(CERTIFICATES.rglob("*.crt"))}


def environment() -> str:
    """/etc/environment for the image: the proxies, and where programs with an own list find certificates."""
    lines = [f'{name}="{os.environ[name]}"' for name in PROXIES if os.environ.get(name)]
    if own_certificates():
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT")
        lines += [f'{name}="{bundle}"' for name in names]
    return "".join(line + "\n" for line in lines)
