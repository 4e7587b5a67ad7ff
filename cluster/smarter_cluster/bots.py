"""A visitor of a chatbot in the cluster: HTTPS with the cluster's authority, a session, a question."""

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 30.0


class Refused(Exception):
    """The bot answered, but not with what was asked for."""


class _Connection(http.client.HTTPSConnection):
    """Dials an address of ours and speaks to the host by its name, as a browser does after resolving it."""

    def __init__(self, host: str, address: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__(host, timeout=TIMEOUT_SECONDS, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection(self._address, TIMEOUT_SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


class Visitor:
    """Talks to the bot at `host`, with its certificate verified against `authority` alone."""

    def __init__(self, host: str, address: tuple[str, int], authority: Path) -> None:
        self.host = host
        self._address = address
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._token = ""

    def ask(self, question: str) -> str:
        """Return the answer to one question.

        Raises:
            Refused: when the bot answers with an error.
            OSError: when it cannot be reached, or its certificate is not to be trusted.
        """
        if not self._token:
            self._token = str(self._post("/app/v1/session", {})["token"])
        messages = [{"role": "user", "content": question}]
        answer = self._post("/v1/chat/completions", {"model": self._model(), "messages": messages})
        return str(answer["choices"][0]["message"]["content"])

    def _model(self) -> str:
        """Return the model's name as the bot calls it, for a bot refuses any other."""
        return str(self._request("GET", "/v1/models")["data"][0]["id"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._request("POST", path, json.dumps(body))

    def _request(self, verb: str, path: str, body: str | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Origin": f"https://{self.host}"}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        connection = _Connection(self.host, self._address, self._tls)
        try:
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        except http.client.HTTPException as error:
            raise Refused(f"{verb} {path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if response.status >= 300:
            raise Refused(f"{verb} {path}: {response.status} {text[:300]}")
        parsed: dict[str, Any] = json.loads(text)
        return parsed
