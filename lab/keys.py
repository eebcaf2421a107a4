"""Signing keys for test repositories, each in a keyring of its own; expired ones too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lab.system import run


@dataclass(frozen=True)
class SigningKey:
    """A key without a passphrase. `clock`: when it signs, in gpg's words, so that an expired key can still have signed."""

    home: Path
    name: str
    clock: str = ""

    @property
    def public_file(self) -> Path:
        """The armoured public key, as a host's signed-by wants it."""
        return self.home / "public.asc"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "GNUPGHOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def _gpg(self, *words: str) -> list[str]:
        clock = [f"--faked-system-time={self.clock}!"] if self.clock else []
        return ["gpg", "--batch", "--yes", "--quiet", "--no-tty", *clock, *words]

    def clear_sign(self, source: Path, target: Path) -> None:
        run(self._gpg("--local-user", self.name, "--output", str(target), "--clearsign", str(source)),
            environment=self.environment)

    def detach_sign(self, source: Path, target: Path) -> None:
        run(self._gpg("--local-user", self.name, "--armor", "--output", str(target), "--detach-sign", str(source)),
            environment=self.environment)

    def close(self) -> None:
        """Ends the key's agent."""
        run(["gpgconf", "--kill", "all"], environment=self.environment, check=False)


def make_key(home: Path, name: str, *, algorithm: str = "rsa2048", expires: str = "never", clock: str = "") -> SigningKey:
    """A new key. expires="30d" with clock="20240101T000000" makes one that ended in January 2024."""
    home.mkdir(parents=True, mode=0o700)
    key = SigningKey(home, name, clock)
    run(key._gpg("--passphrase", "", "--quick-generate-key", name, algorithm, "sign", expires), environment=key.environment)
    run(key._gpg("--armor", "--output", str(key.public_file), "--export", name), environment=key.environment)
    return key
