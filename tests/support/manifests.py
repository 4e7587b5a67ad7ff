"""Resources for tests: the smallest that work, changed where a test says so."""

from typing import Any

from smarter_crds.session_key import SESSION_KEY_FILE

Manifest = dict[str, Any]
API = "smarter.sh/v1alpha1"

OWN_HOST = "{name}.{namespace}.example"
"""`chatbot` fills in name and namespace, as in every host."""


def provider(name: str = "demo", namespace: str = "acme", **spec: Any) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": API,
        "kind": "Provider",
        "metadata": metadata,
        "spec": {"type": "Demo", "defaultModel": "demo"} | spec,
    }


def plugin(name: str = "returns", namespace: str = "acme", **spec: Any) -> Manifest:
    static = {"type": "Static", "static": {"data": {"window": "30 days"}}} if "type" not in spec else {}
    common = {"description": "Looks up the returns policy.", "selector": {"directive": "Always"}}
    made = common | static | spec
    return {"apiVersion": API, "kind": "Plugin", "metadata": {"name": name, "namespace": namespace}, "spec": made}


def api_plugin(name: str = "orders", namespace: str = "acme", **request: Any) -> Manifest:
    """Return a Plugin that calls the ApiConnection `erp`; `request` are members of its request."""
    made = {"connectionRef": {"name": "erp"}, "method": "GET", "path": "/orders"} | request
    return plugin(name, namespace, description="Looks up orders.", type="Api", api=made)


def api_connection(name: str = "erp", namespace: str = "acme", **spec: Any) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    made = {"baseUrl": "https://erp.acme.example/api"} | spec
    return {"apiVersion": API, "kind": "ApiConnection", "metadata": metadata, "spec": made}


def store(name: str = "main", namespace: str = "acme", **spec: Any) -> Manifest:
    made = {"type": "Redis", "host": "redis.acme.example"} | spec
    return {"apiVersion": API, "kind": "Store", "metadata": {"name": name, "namespace": namespace}, "spec": made}


def chatbot(name: str = "support", namespace: str = "acme", **spec: Any) -> Manifest:
    made = {
        "model": {"providerRef": {"name": "demo"}},
        "systemPrompt": "You are the support assistant of Acme.",
        "limits": {"tokensPerDay": 100000},
    } | spec
    if hosts := made.get("exposure", {}).get("hosts"):
        named = [host.format(name=name, namespace=namespace) for host in hosts]
        made["exposure"] = {**made["exposure"], "hosts": named}
    return {"apiVersion": API, "kind": "Chatbot", "metadata": {"name": name, "namespace": namespace}, "spec": made}


def api_key(name: str = "backend", namespace: str = "acme", **spec: Any) -> Manifest:
    made = {"scope": {"type": "Namespace"}} | ({} if "digests" in spec else {"generate": {"rotation": 1}}) | spec
    return {"apiVersion": API, "kind": "ApiKey", "metadata": {"name": name, "namespace": namespace}, "spec": made}


def exposed(host: str = OWN_HOST, mode: str = "Issuer") -> dict[str, Any]:
    """Return `spec.exposure` with one host; by default one that no other Chatbot asks for."""
    tls: dict[str, Any] = {"mode": mode}
    if mode == "Issuer":
        tls["issuerRef"] = {"name": "demo-ca", "kind": "ClusterIssuer"}
    return {"hosts": [host], "tls": tls}


def session_secret_of(pod: Manifest) -> str:
    """Return the Secret that a pod mounts its session key from; empty where it mounts none."""
    for volume in pod["spec"].get("volumes") or []:
        for source in (volume.get("projected") or {}).get("sources") or []:
            secret = source.get("secret") or {}
            if SESSION_KEY_FILE in [item.get("path") for item in secret.get("items") or []]:
                return str(secret.get("name", ""))
    return ""
