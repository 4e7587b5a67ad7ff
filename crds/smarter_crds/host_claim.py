"""The HostClaim resource: the operator's record of which Chatbot holds a host."""

from datetime import datetime

from pydantic import Field

from smarter_crds.base import ApiModel, Metadata
from smarter_crds.fields import LabelName, ObjectName


class Holder(ApiModel):
    """The Chatbot that holds a host."""

    namespace: LabelName = Field(description="Namespace of the Chatbot.")
    name: ObjectName = Field(description="Name of the Chatbot.")
    uid: str = Field(min_length=1, max_length=128, description="UID of the Chatbot, for names come again.")


class HostClaimSpec(ApiModel):
    """Who holds the host that gives the claim its name."""

    holder: Holder = Field(description="The Chatbot that holds the host.")
    last_used_time: datetime | None = Field(
        None, description="When the holder stopped using the host. Default: it still uses it."
    )


class HostClaim(ApiModel):
    """A host in use: its name, in punycode, is the claim's name. Made by the operator."""

    metadata: Metadata
    spec: HostClaimSpec
