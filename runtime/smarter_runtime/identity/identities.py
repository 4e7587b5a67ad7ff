"""The people known to a process: tokens checked against the keys of the bot's issuer."""

from typing import TYPE_CHECKING

from smarter_crds.access_config import IdentityConfig
from smarter_crds.runtime_config import RuntimeConfig, RuntimeProblem
from smarter_runtime.identity import Identity, refused

if TYPE_CHECKING:
    from smarter_runtime.identity.key_set import KeySet


class Identities:
    """Holds the issuer's keys over config changes that do not concern them."""

    def __init__(self) -> None:
        self._config: IdentityConfig | None = None
        self._keys: KeySet | None = None

    def is_meant_by(self, token: str, config: RuntimeConfig) -> bool:
        """Tell whether `token` shall say who somebody is, to a bot that asks for it."""
        if config.access.identity is None:
            return False
        from smarter_runtime.identity.tokens import looks_like_jwt

        return looks_like_jwt(token)

    async def verified(self, token: str, config: RuntimeConfig) -> Identity:
        """Return who the token says somebody is.

        Raises:
            ApiError: 401 when it is not to be believed, 400 when the bot knows nobody, 503 without keys.
        """
        if config.access.identity is None:
            raise refused("this chatbot knows nobody by an identity")
        from smarter_runtime.identity.tokens import key_id, verified

        keys = await self._key_set(config.access.identity)
        key = await keys.find(key_id(token))
        if key is None:
            raise refused("no key of its issuer is the one that it names")
        return verified(token, key, config.access.identity)

    async def warm(self, config: RuntimeConfig) -> None:
        """Fetch the issuer's keys, if they are not there."""
        if config.access.identity is not None:
            await (await self._key_set(config.access.identity)).warm()

    def problems(self) -> tuple[RuntimeProblem, ...]:
        if self._keys is None or not self._keys.fault:
            return ()
        text = f"The keys at `access.identity.jwksUrl` cannot be fetched: {self._keys.fault}. Nobody new is known."
        return (RuntimeProblem(reason="IdentityKeysMissing", message=text),)

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()
        self._keys = self._config = None

    async def _key_set(self, config: IdentityConfig) -> "KeySet":
        from smarter_runtime.identity.key_set import KeySet

        if self._keys is None or self._config != config:
            await self.close()
            self._config, self._keys = config, KeySet(config)
        return self._keys
