"""The kinds of Kubernetes objects that the operator watches or writes, and their addresses in the API."""

from collections.abc import Mapping
from dataclasses import dataclass

from smarter_crds.base import GROUP, VERSION


@dataclass(frozen=True)
class Kind:
    """One kind of object; `selector` limits what is listed and watched."""

    name: str
    group: str
    version: str
    plural: str
    selector: str = ""
    optional: bool = False
    """Whether the cluster may lack the API (it comes from another product)."""
    cluster_scoped: bool = False
    """Whether its objects are in no namespace."""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is listed and watched."""
        key, _, value = self.selector.partition("=")
        return not key or (labels.get(key) == value if value else key in labels)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the URL path of the collection, or of one object when `name` is given."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


CHATBOT_LABEL = "smarter.sh/chatbot"
WATCH_LABEL = "smarter.sh/watch"
WATCHED_CONFIG_MAPS = {WATCH_LABEL: "true"}
"""Labels of the ConfigMaps that are read: those that people write for chatbots, and our own."""


def _own(name: str, plural: str) -> Kind:
    return Kind(name, GROUP, VERSION, plural)


def _child(name: str, group: str, version: str, plural: str, optional: bool = False) -> Kind:
    return Kind(name, group, version, plural, selector=CHATBOT_LABEL, optional=optional)


CHATBOT = _own("Chatbot", "chatbots")
PLUGIN = _own("Plugin", "plugins")
PROVIDER = _own("Provider", "providers")
SQL_CONNECTION = _own("SqlConnection", "sqlconnections")
API_CONNECTION = _own("ApiConnection", "apiconnections")
STORE = _own("Store", "stores")
API_KEY = _own("ApiKey", "apikeys")
HOST_CLAIM = Kind("HostClaim", GROUP, VERSION, "hostclaims", cluster_scoped=True)

SERVICE_ACCOUNT = _child("ServiceAccount", "", "v1", "serviceaccounts")
# One watch for those of people and for ours: there is no selector of objects that bear the one label or the other.
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps", selector=f"{WATCH_LABEL}=true")
SERVICE = _child("Service", "", "v1", "services")
DEPLOYMENT = _child("Deployment", "apps", "v1", "deployments")
INGRESS = _child("Ingress", "networking.k8s.io", "v1", "ingresses")
NETWORK_POLICY = _child("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies")
POD_DISRUPTION_BUDGET = _child("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets")
HORIZONTAL_POD_AUTOSCALER = _child("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers")
CERTIFICATE = _child("Certificate", "cert-manager.io", "v1", "certificates", optional=True)
HTTP_ROUTE = _child("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes", optional=True)
LISTENER_SET = _child("ListenerSet", "gateway.networking.k8s.io", "v1", "listenersets", optional=True)
POD_MONITOR = _child("PodMonitor", "monitoring.coreos.com", "v1", "podmonitors", optional=True)
POD = _child("Pod", "", "v1", "pods")

SECRET = Kind("Secret", "", "v1", "secrets")
"""Never listed nor watched: the operator may create Secrets and delete them, and read none."""
NAMESPACE = Kind("Namespace", "", "v1", "namespaces", cluster_scoped=True)
"""Watched only where a policy asks for the labels of namespaces."""

EVENT = Kind("Event", "", "v1", "events")
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases")

REFERENCED = (PLUGIN, PROVIDER, SQL_CONNECTION, API_CONNECTION, STORE, API_KEY)
CHILDREN = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    HORIZONTAL_POD_AUTOSCALER,
    INGRESS,
    HTTP_ROUTE,
    LISTENER_SET,
    CERTIFICATE,
    POD_MONITOR,
)
WATCHED = (CHATBOT, *REFERENCED, *CHILDREN, POD, HOST_CLAIM)

BY_NAME = {kind.name: kind for kind in (*WATCHED, NAMESPACE)}
