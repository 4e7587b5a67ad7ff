"""The API of the Smarter operator: the one place that says what a Chatbot and everything around it is."""

from smarter_crds.api_connection import ApiConnection, ApiConnectionSpec
from smarter_crds.api_key import ApiKey, ApiKeySpec, ApiKeyStatus
from smarter_crds.base import API_VERSION, GROUP, VERSION, ApiModel, Condition, ConditionStatus, Metadata
from smarter_crds.chatbot import Chatbot, ChatbotSpec
from smarter_crds.chatbot_status import (
    BotPluginStatus,
    CertificateStatus,
    ChatbotDefaults,
    ChatbotStatus,
    HostStatus,
)
from smarter_crds.exposure import Exposure, ExposureTls, IssuerRef
from smarter_crds.host_claim import HostClaim, HostClaimSpec
from smarter_crds.kinds import KINDS, Kind
from smarter_crds.plugin import Plugin, PluginSpec, PluginStatus
from smarter_crds.provider import Provider, ProviderSpec
from smarter_crds.sql_connection import SqlConnection, SqlConnectionSpec
from smarter_crds.status import SharedStatus
from smarter_crds.store import Store, StoreSpec
from smarter_crds.workload import Resources, Scaling

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "ApiConnection",
    "ApiConnectionSpec",
    "ApiKey",
    "ApiKeySpec",
    "ApiKeyStatus",
    "ApiModel",
    "BotPluginStatus",
    "CertificateStatus",
    "Chatbot",
    "ChatbotDefaults",
    "ChatbotSpec",
    "ChatbotStatus",
    "Condition",
    "ConditionStatus",
    "Exposure",
    "ExposureTls",
    "HostClaim",
    "HostClaimSpec",
    "HostStatus",
    "IssuerRef",
    "Kind",
    "Metadata",
    "Plugin",
    "PluginSpec",
    "PluginStatus",
    "Provider",
    "ProviderSpec",
    "Resources",
    "Scaling",
    "SharedStatus",
    "SqlConnection",
    "SqlConnectionSpec",
    "Store",
    "StoreSpec",
]
