"""Bases for images made from Debian's packages, for machines that cannot pull one: only what Python needs to run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from smarter_cluster import files
from smarter_cluster.reporting import Say
from smarter_cluster.shell import run

SUITE = "bookworm"
PYTHON = "python3.11"


@dataclass(frozen=True)
class Base:
    """A root file system: packages that are only unpacked, and shell commands that finish it ($1 is its folder)."""

    name: str
    packages: Sequence[str]
    finish: Sequence[str]

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps([SUITE, asdict(self)]).encode()).hexdigest()[:12]


_FINISH = (
    f'ln -sf {PYTHON} "$1/usr/bin/python3"',
    'cat "$1"/usr/share/ca-certificates/mozilla/*.crt > "$1/etc/ssl/certs/ca-certificates.crt"',
)
# What a program that is already installed never asks for.
_UNUSED = f"""
usr/share/doc usr/share/man usr/share/locale usr/share/lintian usr/share/bash-completion usr/share/perl5 usr/share/perl
usr/share/ca-certificates/mozilla usr/lib/*/gconv usr/lib/*/perl-base
usr/sbin usr/libexec usr/lib/dpkg usr/bin/dpkg* usr/bin/deb* usr/bin/perl* usr/bin/c_rehash usr/bin/openssl
usr/bin/update-alternatives bin/tar lib/systemd etc/apt etc/dpkg etc/cron.daily etc/logrotate.d
var/lib/dpkg var/lib/apt var/cache/* var/log/*
usr/lib/{PYTHON}/pydoc_data usr/lib/{PYTHON}/lib2to3 usr/lib/{PYTHON}/ensurepip
"""
# Debian compiles the standard library when a package is configured, which does not happen here.
_COMPILE = f'chroot "$1" /usr/bin/{PYTHON} -m compileall -q --invalidation-mode unchecked-hash /usr/lib/{PYTHON}'
FINAL = Base(
    "python",
    (f"{PYTHON}-minimal", f"lib{PYTHON}-stdlib", "ca-certificates"),
    (*_FINISH, f'cd "$1"; rm -rf {" ".join(_UNUSED.split())}', _COMPILE),
)
BUILD = Base(
    "python-build",
    (PYTHON, f"{PYTHON}-venv", "dash", "coreutils", "ca-certificates"),
    (*_FINISH, 'ln -sf dash "$1/bin/sh"', 'mkdir -m 1777 -p "$1/tmp"'),
)


def root(cache: Path, base: Base, say: Say) -> Path:
    """The folder with a base's root file system, made when it is not there."""
    target = cache / f"debian-{base.name}-{base.key}"
    if not target.is_dir():
        say(f"making the image base {base.name} from packages of Debian {SUITE}")
        with files.scratch(cache) as scratch:
            made = scratch / "root"
            include = f"--include={','.join(base.packages)}"
            run(["mmdebstrap", "--quiet", "--variant=extract", "--format=directory", include, SUITE, str(made)])
            for command in base.finish:
                run(["sh", "-ec", command, "sh", str(made)])
            files.publish(made, target)
    return target
