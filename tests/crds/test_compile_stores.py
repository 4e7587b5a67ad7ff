"""The Store of a bot: when it is refused, and what the pods get to know of it."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider, Store
from smarter_crds.compile import Compiled, Platform, Problem, References, SecretFile, compile_chatbot, parse
from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.store_config import StoreConfig
from support.manifests import Manifest, chatbot, provider, store

MAIN = {"storeRef": {"name": "main"}}


def compiled(*stores: Manifest, **spec: Any) -> Compiled:
    references = References(
        providers={"demo": Provider.model_validate(provider())},
        stores={each["metadata"]["name"]: parse(Store, each) for each in stores},
    )
    return compile_chatbot(Chatbot.model_validate(chatbot(**spec)), references, Platform())


@pytest.mark.parametrize(
    ("stores", "spec", "problem"),
    [
        pytest.param(
            (),
            MAIN,
            Problem(
                "StoreNotFound",
                "Store 'main' is not in namespace 'acme'; create it, or name another in `spec.storeRef`.",
            ),
            id="not-there",
        ),
        pytest.param(
            (store(host="10.0.0.7"),),
            MAIN,
            Problem(
                "StoreNotAccepted",
                "Store 'main', named in `spec.storeRef`, is not accepted: `spec.host` is 10.0.0.7, which is not "
                "public; name its network in `spec.allowedCIDRs`.",
            ),
            id="not-accepted",
        ),
        pytest.param(
            (store(type="Paper"),),
            MAIN,
            Problem(
                "StoreNotAccepted",
                "Store 'main', named in `spec.storeRef`, is not accepted: `spec.type` is not valid: Input should be "
                "'Redis' or 'PostgreSQL'; correct it.",
            ),
            id="not-readable",
        ),
        pytest.param((store(),), MAIN | {"scaling": {"type": "Fixed", "replicas": 3}}, None, id="three-pods"),
        pytest.param((store(),), MAIN | {"scaling": {"type": "Auto", "maxReplicas": 3}}, None, id="autoscaling"),
    ],
)
def test_a_bot_whose_store_cannot_be_used_is_refused(
    stores: tuple[Manifest, ...], spec: Manifest, problem: Problem | None
) -> None:
    assert compiled(*stores, **spec).problems == ((problem,) if problem else ())


def test_what_the_store_leaves_open_is_filled_in() -> None:
    found = compiled(store(), **MAIN)
    assert found.config is not None
    assert found.config.store == StoreConfig(
        name="main", type="Redis", host="redis.acme.example", port=6379, database="0"
    )
    assert found.config.store.tls == TlsConfig(mode="VerifyFull")
    assert found.secrets == ()
    assert found.settled.store == "main"


@pytest.mark.parametrize(
    ("tls", "config", "files"),
    [
        pytest.param(
            {"caSecret": {"name": "authority", "key": "ca.crt"}},
            TlsConfig(mode="VerifyFull", ca_file=SecretFile("authority", "ca.crt", "ca-of-store-main").path),
            {SecretFile("authority", "ca.crt", "ca-of-store-main")},
            id="own-authority",
        ),
        pytest.param(
            {"mode": "VerifyCA", "clientCertSecret": {"name": "client"}},
            TlsConfig(
                mode="VerifyCA",
                client_cert_file=SecretFile("client", "tls.crt", "certificate-of-store-main").path,
                client_key_file=SecretFile("client", "tls.key", "key-of-store-main").path,
            ),
            {
                SecretFile("client", "tls.crt", "certificate-of-store-main"),
                SecretFile("client", "tls.key", "key-of-store-main"),
            },
            id="client-certificate",
        ),
        pytest.param(
            {"mode": "Required", "clientCertSecret": {"name": "client", "key": "both.pem"}},
            TlsConfig(
                mode="Required", client_cert_file=SecretFile("client", "both.pem", "certificate-of-store-main").path
            ),
            {SecretFile("client", "both.pem", "certificate-of-store-main")},
            id="certificate-and-key-in-one",
        ),
        pytest.param(
            {"mode": "Required", "caSecret": {"name": "authority", "key": "ca.crt"}},
            TlsConfig(mode="Required"),
            set(),
            id="an-authority-without-effect",
        ),
        pytest.param(
            {"mode": "Disabled", "clientCertSecret": {"name": "client"}},
            TlsConfig(mode="Disabled"),
            set(),
            id="no-encryption",
        ),
    ],
)
def test_the_pod_gets_the_files_that_the_encryption_needs(
    tls: Manifest, config: TlsConfig, files: set[SecretFile]
) -> None:
    found = compiled(store(tls=tls), **MAIN)
    assert found.config is not None
    assert found.config.store is not None
    assert (found.config.store.tls, set(found.secrets)) == (config, files)


def test_the_pod_gets_the_credentials_as_files_and_the_config_names_no_secret() -> None:
    spec: dict[str, Any] = {
        "type": "PostgreSQL",
        "port": 6432,
        "database": "bots",
        "allowedCIDRs": ["10.2.0.0/16", "10.1.0.0/16"],
    }
    found = compiled(store(credentialsSecret={"name": "login", "usernameKey": "user"}, **spec), **MAIN)
    assert found.config is not None
    assert found.config.store == StoreConfig(
        name="main",
        type="PostgreSQL",
        host="redis.acme.example",
        port=6432,
        database="bots",
        credentials=CredentialsConfig(
            username_file=SecretFile("login", "user", "username-of-store-main").path,
            password_file=SecretFile("login", "password", "password-of-store-main").path,
        ),
        allowed_cidrs=("10.1.0.0/16", "10.2.0.0/16"),
    )
    assert set(found.secrets) == {
        SecretFile("login", "user", "username-of-store-main"),
        SecretFile("login", "password", "password-of-store-main"),
    }
    assert b"login" not in found.document


def test_a_bot_without_a_store_has_the_config_that_it_had_before_there_were_any() -> None:
    assert b"store" not in compiled(store()).document
