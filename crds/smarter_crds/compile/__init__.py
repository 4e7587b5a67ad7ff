"""From a Chatbot and what it refers to, to the config that its pods serve: pure functions, shared by all programs."""

from smarter_crds.compile.allowed import Allowed
from smarter_crds.compile.chatbot import compile_chatbot
from smarter_crds.compile.connected import check_connected
from smarter_crds.compile.exposure import default_host
from smarter_crds.compile.judge import Judgement, judge
from smarter_crds.compile.keys import check_api_key, expires, is_issued, key_config
from smarter_crds.compile.model import Autoscaling, Compiled, Platform, PlatformLimits, References, SecretFile, Settled
from smarter_crds.compile.plugins import check_content, check_plugin
from smarter_crds.compile.prices import PriceTable, SnapshotPrices
from smarter_crds.compile.problems import Problem, parse
from smarter_crds.compile.providers import check_provider
from smarter_crds.compile.support import check_unsupported

__all__ = [
    "Allowed",
    "Autoscaling",
    "Compiled",
    "Judgement",
    "Platform",
    "PlatformLimits",
    "PriceTable",
    "Problem",
    "References",
    "SecretFile",
    "Settled",
    "SnapshotPrices",
    "check_api_key",
    "check_connected",
    "check_content",
    "check_plugin",
    "check_provider",
    "check_unsupported",
    "compile_chatbot",
    "default_host",
    "expires",
    "is_issued",
    "judge",
    "key_config",
    "parse",
]
