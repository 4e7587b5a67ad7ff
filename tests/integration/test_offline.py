from smarter_operator.kinds import CERTIFICATE, CONFIG_MAP, NETWORK_POLICY, SERVICE_ACCOUNT
from support.api import Api, eventually
from support.children import INGRESS_BOT, children
from support.manifests import chatbot, exposed, provider

STAYS = {kind.name for kind in (SERVICE_ACCOUNT, CONFIG_MAP, NETWORK_POLICY, CERTIFICATE)}
EVERYTHING = {kind.name for kind in INGRESS_BOT}


async def has(api: Api, namespace: str, kinds: set[str]) -> None:
    async def as_wanted() -> bool:
        made = {child["kind"] for child in await children(api, namespace)}
        return made == kinds and await api.is_ready(namespace, "support")

    await eventually(as_wanted)


async def test_an_offline_bot_loses_pods_and_route_and_keeps_its_certificate_for_the_return(
    api: Api, namespace: str
) -> None:
    for state, kinds in (("Active", EVERYTHING), ("Offline", STAYS), ("Active", EVERYTHING)):
        await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, state=state, exposure=exposed()))
        await has(api, namespace, kinds)


async def test_a_network_policy_goes_when_it_is_not_wanted_any_more(api: Api, namespace: str) -> None:
    for enabled, kinds in ((True, EVERYTHING), (False, EVERYTHING - {NETWORK_POLICY.name})):
        policy = {"enabled": enabled}
        bot = chatbot(namespace=namespace, networkPolicy=policy, exposure=exposed())
        await api.apply(provider(namespace=namespace), bot)
        await has(api, namespace, kinds)
