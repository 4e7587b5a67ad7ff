"""Connections and Stores whose fields are valid one by one, and do not go together."""

from typing import Any

import pytest

from smarter_crds.compile import judge
from support.samples import changed, full, minimal

TUNNEL = {
    "host": "bastion.acme.example",
    "username": "bots",
    "privateKeySecret": {"name": "bastion", "key": "id"},
    "knownHosts": "bastion.acme.example ssh-ed25519 AAAA",
}
PROXY = {"url": "socks5://proxy.acme.example:1080"}
KEY = {"name": "erp", "key": "token"}


@pytest.mark.parametrize("kind", ["SqlConnection", "ApiConnection", "Store"])
def test_the_smallest_of_each_kind_is_accepted_without_a_remark(kind: str) -> None:
    found = judge(kind, minimal(kind))
    assert (found.problems, found.warnings) == ((), ())


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        pytest.param(
            "SqlConnection", {"spec__sshTunnel": TUNNEL, "spec__proxy": PROXY}, "TunnelAndProxy", id="two-ways"
        ),
        pytest.param(
            "SqlConnection", {"spec__sshTunnel": TUNNEL | {"knownHosts": "# nobody"}}, "InvalidKnownHosts", id="no-host"
        ),
        pytest.param("SqlConnection", {"spec__host": "10.0.0.7"}, "AddressNotAllowed", id="private-database"),
        pytest.param("SqlConnection", {"spec__host": "::ffff:10.0.0.7"}, "AddressNotAllowed", id="mapped-address"),
        pytest.param(
            "SqlConnection", {"spec__host": "10.0.0.7", "spec__allowedCIDRs": ["10.0.0.0/8"]}, "", id="allowed"
        ),
        pytest.param("SqlConnection", {"spec__host": "10.0.0.7", "spec__sshTunnel": TUNNEL}, "", id="behind-a-tunnel"),
        pytest.param(
            "ApiConnection",
            {"spec__baseUrl": "http://169.254.169.254/latest", "spec__allowedCIDRs": ["169.254.0.0/16"]},
            "AddressForbidden",
            id="metadata",
        ),
        pytest.param("ApiConnection", {"spec__baseUrl": "http://[fd00::1]/api"}, "AddressNotAllowed", id="ula"),
        pytest.param("ApiConnection", {"spec__baseUrl": "http://[fd00::1/api"}, "InvalidAddress", id="no-address"),
        pytest.param(
            "ApiConnection",
            {"spec__auth": {"type": "Header", "name": "Host", "valueSecret": KEY}},
            "HeaderForbidden",
            id="header-of-the-connection",
        ),
        pytest.param("Store", {"spec__type": "Redis", "spec__database": "main"}, "InvalidDatabase", id="redis"),
        pytest.param("Store", {"spec__type": "Redis", "spec__database": "3"}, "", id="redis-number"),
        pytest.param("Store", {"spec__host": "127.0.0.1"}, "AddressNotAllowed", id="loopback-store"),
    ],
)
def test_what_does_not_go_together_is_refused(kind: str, changes: dict[str, Any], reason: str) -> None:
    found = judge(kind, changed(minimal(kind), **changes))
    assert [problem.reason for problem in found.problems] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        pytest.param(
            "SqlConnection", {"spec__engine": "SQLite", "spec__host": "db.acme.example"}, "`spec.host`", id="sqlite"
        ),
        pytest.param(
            "SqlConnection", {"spec__tls": {"mode": "Required", "caSecret": KEY}}, "`spec.tls.caSecret`", id="unchecked"
        ),
        pytest.param("Store", {"spec__tls": {"mode": "Disabled", "caSecret": KEY}}, "`spec.tls.caSecret`", id="no-tls"),
        pytest.param(
            "ApiConnection", {"spec__auth": {"type": "None", "tokenSecret": KEY}}, "`spec.auth.tokenSecret`", id="stale"
        ),
        pytest.param(
            "ApiConnection",
            {"spec__baseUrl": "http://erp.acme.example", "spec__auth": {"type": "Bearer", "tokenSecret": KEY}},
            "without encryption",
            id="open-credentials",
        ),
    ],
)
def test_what_has_no_effect_or_does_harm_is_said(kind: str, changes: dict[str, Any], field: str) -> None:
    found = judge(kind, changed(minimal(kind), **changes))
    assert found.problems == ()
    assert len(found.warnings) == 1
    assert field in found.warnings[0]


def test_members_of_other_kinds_of_authentication_are_named() -> None:
    said = " ".join(judge("ApiConnection", full("ApiConnection")).warnings)
    for name in ("credentialsSecret", "tokenSecret", "name", "valueSecret"):
        assert f"`spec.auth.{name}` has no effect" in said
    assert "`spec.auth.clientId`" not in said
