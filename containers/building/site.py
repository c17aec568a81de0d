"""This machine's mirrors, pip, cargo, proxy and certificates, for the containers in which parts are built."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from building.failure import BuildError

_PROXIES = (
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
)
_BUNDLES = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
)
CERTIFICATES = "/site/ca.crt"


def write_site(folder):
    """Write `ca.crt`, `pip.conf`, `cargo.toml` and `env` (shell) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(
        os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt", folder / "ca.crt"
    )
    home = Path.home()
    candidates = [
        os.environ.get("PIP_CONFIG_FILE", ""),
        home / ".config/pip/pip.conf",
        home / ".pip/pip.conf",
        "/etc/pip.conf",
    ]
    pip = next(
        (
            Path(path).read_text(encoding="utf-8")
            for path in candidates
            if path and Path(path).is_file()
        ),
        "",
    )
    kept = [line for line in pip.splitlines() if not line.lstrip().startswith("cert")]
    (folder / "pip.conf").write_text("\n".join([*kept, ""]), encoding="utf-8")
    cargo = Path(os.environ.get("CARGO_HOME") or home / ".cargo") / "config.toml"
    (folder / "cargo.toml").write_text(
        cargo.read_text(encoding="utf-8") if cargo.is_file() else "", encoding="utf-8"
    )
    lines = [
        f"export {name}={shlex.quote(os.environ[name])}"
        for name in _PROXIES
        if os.environ.get(name)
    ]
    lines += [f"export {name}={CERTIFICATES}" for name in _BUNDLES]
    (folder / "env").write_text("\n".join([*lines, ""]), encoding="utf-8")


def debian_mirror(containers):
    """The Debian mirror that this machine's apt uses.

    Raises:
        BuildError: it has none.
    """
    answer = subprocess.run(
        [containers / "debian-mirror"], capture_output=True, text=True, check=False, timeout=60
    )
    if answer.returncode:
        raise BuildError(answer.stderr.strip())
    return answer.stdout.strip()
