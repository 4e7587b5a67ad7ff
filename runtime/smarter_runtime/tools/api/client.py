"""Calls one API with the credentials of its connection, and again where that does no harm."""

import asyncio
import contextlib
import random
from collections.abc import Mapping

import aiohttp
from yarl import URL

from smarter_crds.api_config import ApiConnectionConfig
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.tools.api.credentials import Signed, signed
from smarter_runtime.tools.api.faults import ApiFault, TooLarge, secret_fault
from smarter_runtime.tools.api.oauth import MAX_TOKEN_BYTES, TokenSource
from smarter_runtime.tools.api.template import Request
from smarter_runtime.tools.api.transport import Answer, Transport
from smarter_runtime.tracing import outgoing

MAX_ANSWER_BYTES = 4 * 1024 * 1024
PAUSES_SECONDS = (0.2, 0.8)
LEAST_SECONDS = 0.3
"""With less time left, nothing is tried again."""

FIRST_LOOK_SECONDS, LOOK_SECONDS = 5.0, 60.0
"""How soon it is looked whether the way is free again, and how often in the end: each time it takes twice as long."""

UNAUTHORIZED, PROXY_UNAUTHORIZED = 401, 407
_OF_THE_WAY = frozenset({"Unreachable", "AddressRefused", "CertificateRefused", "EncryptionFailed", "ProxyRefused"})
"""What is found out without credentials."""
_PASSING = frozenset({429, 502, 503, 504})


class ApiClient:
    """Calls the API of one connection."""

    def __init__(self, config: ApiConnectionConfig, files: SecretFiles) -> None:
        self._config, self._files = config, files
        self._base = str(URL(config.base_url)).rstrip("/")
        self._transport = Transport(config, files)
        self._tokens = TokenSource(config.auth, files, self._post_form)
        self._last = URL(self._base)
        self._looking: asyncio.Task[None] | None = None
        self.fault: ApiFault | None = None
        """What was in the way the last time."""
        self.secrets: tuple[str, ...] = ()
        """What the last request held that nobody else may see."""

    async def call(self, request: Request, deadline: float, *, may_repeat: bool) -> Answer:
        """Return the answer, whatever its status; `deadline` is on the clock of the event loop.

        Raises:
            ApiFault: when there is none.
            TooLarge: when it is too large.
        """
        try:
            answer = await (self._repeated(request, deadline) if may_repeat else self._once(request))
        except SecretMissing as error:
            fault = secret_fault(error)
            self._is_ill(fault)
            raise fault from error
        except ApiFault as error:
            self._is_ill(error)
            raise
        self.fault = self._refusal(answer.status)
        return answer

    def waited_in_vain(self, seconds: int) -> None:
        """Take notice that a call was given up."""
        self._is_ill(ApiFault("Unreachable", f"{self._base} did not answer within {seconds} seconds."))

    async def retire(self) -> None:
        await self._stop_looking()
        await self._transport.retire()

    async def close(self) -> None:
        await self._stop_looking()
        await self._transport.close()

    def _is_ill(self, fault: ApiFault) -> None:
        self.fault = fault
        if fault.reason in _OF_THE_WAY and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look_until_well())

    async def _look_until_well(self) -> None:
        """Nobody may call for days, and what is wrong shall not be told for as long."""
        seconds = FIRST_LOOK_SECONDS
        while self.fault is not None and self.fault.reason in _OF_THE_WAY:
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LOOK_SECONDS)
            with contextlib.suppress(SecretMissing, TooLarge, TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look()

    async def _look(self) -> None:
        """Ask for nothing, and without credentials: any answer tells that the way is free."""
        before = self.fault
        try:
            answer = await self._transport.send("HEAD", self._last, {}, None, MAX_TOKEN_BYTES)
            found = self._refusal(answer.status) if answer.status == PROXY_UNAUTHORIZED else None
        except ApiFault as fault:
            found = fault
        # A call that ended meanwhile knows more.
        if self.fault is before:
            self.fault = found

    async def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _repeated(self, request: Request, deadline: float) -> Answer:
        now, has_renewed = asyncio.get_running_loop().time, False
        for pause in PAUSES_SECONDS:
            wait = pause * random.uniform(0.5, 1)
            try:
                answer = await self._once(request)
            except ApiFault as fault:
                if not fault.is_passing or now() + wait + LEAST_SECONDS >= deadline:
                    raise
            else:
                if answer.status == UNAUTHORIZED and self._has_tokens and not has_renewed:
                    has_renewed, wait = True, 0
                elif answer.status in _PASSING:
                    wait = max(answer.retry_after or 0, wait)
                else:
                    return answer
                if now() + wait + LEAST_SECONDS >= deadline:
                    return answer
            await asyncio.sleep(wait)
        return await self._once(request)

    async def _once(self, request: Request) -> Answer:
        credentials = await signed(self._config.auth, self._files, self._tokens.token)
        self.secrets = credentials.secrets
        answer = await self._sent(request, credentials)
        if answer.status == UNAUTHORIZED and self._has_tokens:
            self._tokens.refused(credentials.secrets[0])
        return answer

    async def _sent(self, request: Request, credentials: Signed) -> Answer:
        headers = {"accept": "application/json", **outgoing.get()}
        if request.body is not None:
            headers["content-type"] = "application/json"
        # By lower case, so that nothing is sent twice and the connection's own goes last.
        for name, value in (*request.headers, *credentials.headers.items()):
            headers[name.lower()] = value
        target = URL(self._base + request.target, encoded=True)
        self._last = URL(self._base)
        return await self._transport.send(request.method, target, headers, request.body, MAX_ANSWER_BYTES)

    async def _post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, bytes]:
        data = aiohttp.FormData(dict(form))()
        self._last = URL(url)
        try:
            answer = await self._transport.send("POST", URL(url), headers, data, MAX_TOKEN_BYTES)
        except TooLarge as error:
            raise ApiFault("TokenRefused", f"{url} gives no token but a long text.") from error
        return answer.status, answer.body

    @property
    def _has_tokens(self) -> bool:
        return self._config.auth.type == "OAuth2ClientCredentials"

    def _refusal(self, status: int) -> ApiFault | None:
        if status == UNAUTHORIZED:
            return ApiFault("LoginRefused", f"{self._base} does not accept the credentials of `spec.auth`.")
        if status == PROXY_UNAUTHORIZED:
            return ApiFault("ProxyRefused", "The proxy does not accept the credentials of `spec.proxy`.")
        return None
