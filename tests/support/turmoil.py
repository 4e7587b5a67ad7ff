"""What users, accidents and crashes do to Chatbots: rules for a state machine, over any place where one runs."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from smarter_operator.cluster import Manifest
from support.manifests import chatbot, plugin, provider

BOTS = ("anna", "bert")
PLUGINS = ("returns", "orders")
PROVIDERS = ("demo", "spare")

GATEWAY = {"type": "HTTPRoute", "hosts": ["{bot}-g.example"], "gatewayRef": {"name": "public", "namespace": "infra"}}
BOT_FIELDS: Mapping[str, list[Any]] = {
    "systemPrompt": ["You help.", "You are brief."],
    "model": [{"providerRef": {"name": name}} for name in PROVIDERS],
    "plugins": [[], [{"name": "returns"}], [{"name": "orders"}, {"name": "returns"}], [{"name": "never-there"}]],
    "exposure": [
        {"type": "None"},
        {"hosts": ["{bot}-a.example"], "tls": {"mode": "Disabled"}},
        {"hosts": ["{bot}-a.example"], "tls": {"mode": "Issuer", "issuerRef": {"name": "demo-ca"}}},
        {"hosts": ["{bot}-b.example", "{bot}-a.example"], "tls": {"mode": "Issuer", "issuerRef": {"name": "demo-ca"}}},
        GATEWAY,
    ],
    "state": ["Active", "Active", "Offline"],
    "resources": [{"limits": {"memory": "1Gi"}}, {"requests": {"cpu": "100m"}, "limits": {"cpu": "1500m"}}],
    "networkPolicy": [{"enabled": False}, {"extraEgress": [{"to": [{"podSelector": {}}], "ports": [{"port": 6379}]}]}],
    "app": [{"title": "Hello"}],
    "budget": [{"amount": "50.00", "currency": "USD", "period": "Month"}],
}
"""Values of members of a Chatbot's spec; `{bot}` stands for its name. A budget is refused."""

PLUGIN_SPECS: list[dict[str, Any]] = [
    {},
    {"static": {"data": {"window": "60 days"}}},
    {"selector": {"directive": "SearchTerms", "searchTerms": ["return"]}},
]
PROVIDER_SPECS: list[dict[str, Any]] = [
    {},
    {"defaultModel": "other"},
    {"type": "OpenAI", "defaultModel": "gpt", "apiKeySecret": {"name": "openai", "key": "api-key"}},
]


class Site(Protocol):
    """A place where the operator runs, or does not run just now."""

    def put(self, manifest: Manifest) -> None:
        """Create a resource, or give it another spec."""

    def drop(self, kind: str, name: str) -> None:
        """Delete a resource if it is there."""

    def delete_child(self, pick: int) -> None:
        """Delete one of the children there are, if any."""

    def harm_child(self, pick: int, field: int, *, remove: bool) -> None:
        """Change a field that the operator owns, or take it away."""

    def mark_child(self, pick: int) -> None:
        """Add an annotation and a label that are nobody's business."""

    def kill(self, after_calls: int) -> None:
        """Kill the operator: now, or after so many more of its calls."""

    def start(self) -> None:
        """Start the operator if it does not run."""

    def wait(self, seconds: float) -> None:
        """Let some time pass."""

    def check(self) -> list[str]:
        """Let the operator finish, and name what is wrong then."""

    def close(self) -> None:
        """Remove everything."""


picks = st.integers(0, 1000)
bot_specs = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in BOT_FIELDS.items()})


class Turmoil(RuleBasedStateMachine):
    """Ends with the operator running and everything as it should be, or tells what is not."""

    open_site: ClassVar[type[Site]]

    def __init__(self) -> None:
        super().__init__()
        self.site = self.open_site()

    @initialize()
    def everything_is_there(self) -> None:
        for made in (*map(provider, PROVIDERS), *map(plugin, PLUGINS), chatbot(BOTS[0])):
            self.site.put(made)

    @rule(name=st.sampled_from(BOTS), spec=bot_specs)
    def put_bot(self, name: str, spec: dict[str, Any]) -> None:
        self.site.put(chatbot(name, **_named(spec, name)))

    @rule(name=st.sampled_from(PLUGINS), spec=st.sampled_from(PLUGIN_SPECS))
    def put_plugin(self, name: str, spec: dict[str, Any]) -> None:
        self.site.put(plugin(name, **spec))

    @rule(name=st.sampled_from(PROVIDERS), spec=st.sampled_from(PROVIDER_SPECS))
    def put_provider(self, name: str, spec: dict[str, Any]) -> None:
        self.site.put(provider(name, **spec))

    @rule(kind=st.sampled_from(["Chatbot", "Chatbot", "Plugin", "Provider"]), pick=picks)
    def drop(self, kind: str, pick: int) -> None:
        names = {"Chatbot": BOTS, "Plugin": PLUGINS, "Provider": PROVIDERS}[kind]
        self.site.drop(kind, names[pick % len(names)])

    @rule(name=st.sampled_from(BOTS), spec=bot_specs)
    def replace_bot(self, name: str, spec: dict[str, Any]) -> None:
        self.site.drop("Chatbot", name)
        self.put_bot(name, spec)

    @rule(pick=picks)
    def delete_child(self, pick: int) -> None:
        self.site.delete_child(pick)

    @rule(pick=picks, field=picks, remove=st.booleans())
    def harm_child(self, pick: int, field: int, remove: bool) -> None:
        self.site.harm_child(pick, field, remove=remove)

    @rule(pick=picks)
    def mark_child(self, pick: int) -> None:
        self.site.mark_child(pick)

    @rule(after_calls=st.integers(0, 12))
    def kill(self, after_calls: int) -> None:
        self.site.kill(after_calls)

    @rule()
    def start(self) -> None:
        self.site.start()

    @rule(seconds=st.sampled_from([0.1, 0.7, 2.0, 6.0]))
    def wait(self, seconds: float) -> None:
        self.site.wait(seconds)

    def teardown(self) -> None:
        try:
            self.site.start()
            found = self.site.check()
            assert not found, "\n".join(found)
        finally:
            self.site.close()


def _named(value: Any, bot: str) -> Any:
    if isinstance(value, dict):
        return {key: _named(item, bot) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, bot) for item in value]
    return value.format(bot=bot) if isinstance(value, str) else value
