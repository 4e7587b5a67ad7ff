"""From a Chatbot as the API server has it to its config, beside the event loop where that takes long."""

from smarter_crds.chatbot import Chatbot
from smarter_crds.chatbot_status import ChatbotDefaults
from smarter_crds.compile import Compiled, Problem, References, Settled, compile_chatbot, parse
from smarter_crds.workload import Resources
from smarter_operator.cache import Cache, references_of
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import CHATBOT
from smarter_operator.observe import references
from smarter_operator.settings import Settings

FEW_REFERENCES = 8


def is_large(raw: Manifest) -> bool:
    """Tell whether the Chatbot refers to so much that its config may have megabytes, and take up to a second."""
    return len(references_of(CHATBOT, raw)) > FEW_REFERENCES


def compiled(raw: Manifest, cache: Cache, settings: Settings) -> tuple[References, Chatbot | None, Compiled]:
    found, chatbot = references(raw, cache), parse(Chatbot, raw)
    if isinstance(chatbot, Problem):
        return found, None, _unreadable(chatbot)
    return found, chatbot, compile_chatbot(chatbot, found, settings.platform)


def _unreadable(problem: Problem) -> Compiled:
    """Return what can be said of an object that is no valid Chatbot: nothing is known, and nothing is changed."""
    settled = Settled(
        state="Active",
        replicas=0,
        resources=Resources(),
        exposure_type="None",
        hosts=(),
        url="",
        class_name="",
        tls_mode="Disabled",
        certified_hosts=(),
        issuer_ref=None,
        gateway_ref=None,
    )
    return Compiled(
        config=None,
        document=b"",
        hash="",
        problems=(problem,),
        plugin_problems=(),
        warnings=(),
        settled=settled,
        defaults=ChatbotDefaults(),
        model="",
        plugins=(),
        secrets=(),
    )
