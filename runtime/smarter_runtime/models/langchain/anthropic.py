"""Anthropic's chat model with authorities of our choice, for which the library has no argument."""

import ssl
from functools import cached_property

import anthropic
from langchain_anthropic import ChatAnthropic
from pydantic import Field


class TrustingChatAnthropic(ChatAnthropic):
    """Trusts `trust` instead of the system's authorities, if it is given."""

    trust: ssl.SSLContext | None = Field(default=None, exclude=True)

    @cached_property
    def _async_client(self) -> anthropic.AsyncClient:
        if self.trust is None:
            return super()._async_client
        client = anthropic.DefaultAsyncHttpxClient(verify=self.trust)
        return anthropic.AsyncClient(**self._client_params, http_client=client)
