"""What a pod says about itself at its status port."""

from datetime import datetime

from smarter_crds.base import ApiModel


class ResourceName(ApiModel):
    """A resource of the bot's namespace."""

    kind: str
    name: str


class RuntimeProblem(ApiModel):
    """Something in the pod that a person should know, such as a missing Secret key or a config that does not load."""

    reason: str
    message: str
    resource: ResourceName | None = None
    """The Provider, connection or Store that the problem is with; None: the bot itself."""


class RuntimeStatus(ApiModel):
    """What `GET :9090/status` of a pod answers."""

    pod_uid: str
    """UID of the pod (downward API), for addresses are reused."""
    config_hash: str
    """Hash of the config in service, not of the file that was read last."""
    loaded_at: datetime
    keys: int = 0
    """Number of ApiKeys that open the bot, whether they are valid at this moment or not."""
    keys_hash: str | None = None
    """Hash of the file with the keys, empty where there is none; None: this runtime knows no keys."""
    problems: tuple[RuntimeProblem, ...] = ()
