"""Who holds a host is settled by the real API server."""

import asyncio

from support.api import Api, eventually
from support.manifests import chatbot, exposed, provider

RACERS = 20


async def test_of_twenty_chatbots_in_twenty_namespaces_exactly_one_gets_the_host(api: Api, namespace: str) -> None:
    host = f"contested.{namespace}.example"
    rivals = [namespace, *[f"{namespace}-{number}" for number in range(1, RACERS)]]
    for name in rivals[1:]:
        await api.namespace(name)
    await api.apply(*(provider(namespace=name) for name in rivals))
    racers = [chatbot(namespace=name, exposure={"hosts": [host, "{name}.{namespace}.example"]}) for name in rivals]
    await asyncio.gather(*(api.apply(racer) for racer in racers))

    async def verdicts() -> list[tuple[str, str]]:
        found = [(await api.condition(name, "support", "HostsAccepted"))[:2] for name in rivals]
        return sorted(found) if all(status for status, _ in found) else []

    assert await eventually(verdicts, 60) == [("False", "HostTaken")] * (RACERS - 1) + [("True", "Claimed")]
    claims = {claim["metadata"]["name"]: claim["spec"]["holder"] for claim in await api.list_all("HostClaim")}
    winner = claims[host]["namespace"]
    assert {claims[f"support.{name}.example"]["namespace"] for name in rivals} == set(rivals)

    async def routes() -> dict[str, list[str]]:
        found = {ingress["metadata"]["namespace"]: ingress for ingress in await api.list_all("Ingress")}
        if not found.keys() >= set(rivals):
            return {}
        return {name: [rule["host"] for rule in found[name]["spec"]["rules"]] for name in rivals}

    everybody = await eventually(routes)
    assert [name for name, hosts in everybody.items() if host in hosts] == [winner]
    assert all(f"support.{name}.example" in hosts for name, hosts in everybody.items())

    # When the holder goes, the host goes to one of the others.
    await api.delete("Chatbot", winner, "support")

    async def inherited() -> bool:
        claim = await api.get("HostClaim", "", host)
        return claim is not None and claim["spec"]["holder"]["namespace"] not in ("", winner)

    await eventually(inherited, 60)
    for name in rivals[1:]:
        if name != winner:
            await api.delete("Chatbot", name, "support")
        await api.delete("Namespace", "", name)


async def test_a_host_that_nobody_uses_any_more_is_released(api: Api, namespace: str) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))
    await eventually(lambda: api.is_ready(namespace, "support"))
    host = f"support.{namespace}.example"
    assert await api.get("HostClaim", "", host) is not None
    await api.apply(chatbot(namespace=namespace, exposure=exposed("other.{namespace}.example")))

    async def released() -> bool:
        return await api.get("HostClaim", "", host) is None

    await eventually(released)
    assert await api.get("HostClaim", "", f"other.{namespace}.example") is not None


async def test_a_claim_that_an_administrator_deletes_is_made_again(api: Api, namespace: str) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))
    await eventually(lambda: api.is_ready(namespace, "support"))
    host = f"support.{namespace}.example"
    old = await api.get("HostClaim", "", host)
    assert old is not None
    await api.delete("HostClaim", "", host)

    async def back() -> bool:
        new = await api.get("HostClaim", "", host)
        return new is not None and new["metadata"]["uid"] != old["metadata"]["uid"]

    await eventually(back)
    assert await api.is_ready(namespace, "support")
