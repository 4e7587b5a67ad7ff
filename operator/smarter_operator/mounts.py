"""In which order Secrets and the config that uses them reach the pods of a bot.

A config that uses a new Secret waits until all pods have it mounted. A Secret that the newest config does not use stays
mounted until all pods serve that config.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from smarter_crds.compile import Compiled, SecretFile
from smarter_crds.runtime_config import CONFIG_KEY, GOOD_CONFIG_KEY, config_hash
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY
from smarter_operator.observe import World, controller_uid
from smarter_operator.resources.config_map import unpacked
from smarter_operator.resources.secret_volume import Mount, mounts, mounts_of

_NOTHING: frozenset[str] = frozenset()


def held_back(compiled: Compiled, world: World) -> frozenset[str]:
    """Return the kinds of children that wait until all pods have the Secrets which the newest config uses.

    With the config waits the NetworkPolicy, for the pods still talk to whom the last one named.
    """
    if not _config_waits(compiled, world):
        return _NOTHING
    return frozenset({CONFIG_MAP.name} | {NETWORK_POLICY.name for _ in world.of_kind(NETWORK_POLICY)})


def lingering(compiled: Compiled, world: World) -> tuple[Mount, ...]:
    """Return what is mounted for a config that pods may still serve, and not for the newest."""
    bot = _bot(compiled)
    deployment, config = world.child(DEPLOYMENT, bot), world.child(CONFIG_MAP, names.config_map(bot))
    if deployment is None or config is None or _is_served(compiled, config, world):
        return ()
    more = mounts_of(_template(deployment)) - {*mounts(compiled.secrets)}
    documents = [unpacked(config, key) for key in (CONFIG_KEY, GOOD_CONFIG_KEY)] if more else []
    # What is neither of a config that we know nor called as we call files has been put there by somebody else.
    return tuple(sorted(mount for mount in more if _is_ours(mount) or any(_names(mount, each) for each in documents)))


def _config_waits(compiled: Compiled, world: World) -> bool:
    bot = _bot(compiled)
    live = world.child(CONFIG_MAP, names.config_map(bot))
    if live is None or not compiled.secrets or (live.get("data") or {}).get("hash") == compiled.hash:
        return False
    needed = frozenset(mounts(compiled.secrets))
    # What somebody has tampered with is of no use to anybody, and replaced at once.
    return not all(needed <= mounts_of(spec) for spec in _pod_specs(bot, world)) and _is_intact(live)


def _pod_specs(bot: str, world: World) -> Iterator[dict[str, Any]]:
    deployment = world.child(DEPLOYMENT, bot)
    if deployment is not None:
        yield _template(deployment)
    # A pod without a controller is somebody's copy to look at.
    yield from (pod.get("spec", {}) for pod in world.pods if controller_uid(pod))


def _is_served(compiled: Compiled, config: Manifest, world: World) -> bool:
    said: Iterable[str] = (
        world.reports[uid].config_hash if uid in world.reports else ""
        for uid in (pod["metadata"]["uid"] for pod in world.pods)
    )
    return all(served == compiled.hash for served in ((config.get("data") or {}).get("hash"), *said))


def _is_intact(config: Manifest) -> bool:
    return config_hash(unpacked(config, CONFIG_KEY)) == (config.get("data") or {}).get("hash")


def _is_ours(mount: Mount) -> bool:
    use = mount.path.rpartition("-")[0]
    return SecretFile(mount.secret_name, mount.key, use).path == mount.path


def _names(mount: Mount, document: bytes) -> bool:
    return f'"{mount.path}"'.encode() in document


def _template(deployment: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["spec"]["template"].get("spec") or {}
    return spec


def _bot(compiled: Compiled) -> str:
    return compiled.config.bot.name if compiled.config else ""
