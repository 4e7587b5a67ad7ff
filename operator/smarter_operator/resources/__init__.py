"""What a Chatbot is made of: one pure builder per child kind, and the list of those that are wanted."""

from collections.abc import Sequence

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_operator.cluster import Manifest
from smarter_operator.drift import stamped
from smarter_operator.resources.certificate import certificate
from smarter_operator.resources.config_map import config_map
from smarter_operator.resources.deployment import deployment
from smarter_operator.resources.horizontal_pod_autoscaler import horizontal_pod_autoscaler
from smarter_operator.resources.http_route import http_route
from smarter_operator.resources.ingress import ingress
from smarter_operator.resources.keys_config_map import keys_config_map
from smarter_operator.resources.listener_set import listener_set
from smarter_operator.resources.network_policy import network_policy
from smarter_operator.resources.pod_disruption_budget import MIN_REPLICAS, pod_disruption_budget
from smarter_operator.resources.pod_monitor import pod_monitor
from smarter_operator.resources.secret_volume import Mount
from smarter_operator.resources.service import service
from smarter_operator.resources.service_account import service_account
from smarter_operator.settings import Settings

__all__ = ["desired", "keys_config_map"]


def desired(
    chatbot: Chatbot, compiled: Compiled, good: str, settings: Settings, lingering: Sequence[Mount] = ()
) -> list[Manifest]:
    """Return all children, in the order of application: what pods need to start comes before the Deployment."""
    version = compiled.config.schema_version if compiled.config else 1
    children = [service_account(chatbot), config_map(chatbot, compiled.document, good, version)]
    if chatbot.spec.network_policy is None or chatbot.spec.network_policy.enabled is not False:
        # Also of a bot that goes offline: its pods still finish their answers.
        children.append(network_policy(chatbot, compiled, settings))
    children += [certificate(chatbot, compiled, host) for host in compiled.settled.certified_hosts]
    if compiled.settled.state != "Offline":
        children += [deployment(chatbot, compiled, settings, lingering), service(chatbot), pod_monitor(chatbot)]
        if compiled.settled.replicas >= MIN_REPLICAS:
            children.append(pod_disruption_budget(chatbot))
        if compiled.settled.autoscaling:
            children.append(horizontal_pod_autoscaler(chatbot, compiled.settled.autoscaling))
        if compiled.hosts:
            children.append((http_route if compiled.settled.gateway_ref else ingress)(chatbot, compiled))
        if compiled.settled.listener_hosts:
            children.append(listener_set(chatbot, compiled))
    return [stamped(child) for child in children]
