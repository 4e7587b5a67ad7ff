"""As whom an API is called: the headers that say so, read anew when a Secret changes."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from smarter_crds.api_config import ApiAuthConfig
from smarter_runtime.secret_files import SecretFiles, SecretMissing

Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Signed:
    """Headers with credentials, and what must not be told to anybody."""

    headers: Headers
    secrets: tuple[str, ...] = ()


async def signed(config: ApiAuthConfig, files: SecretFiles, token: Callable[[], Awaitable[str]]) -> Signed:
    """Return the headers for one request.

    Raises:
        SecretMissing: when a file has nothing that a header can hold.
    """
    if config.type == "Basic":
        user, password = files.text(config.username_file), files.text(config.secret_file)
        header = basic(user, password)
        return Signed({"Authorization": header}, (password, header.removeprefix("Basic ")))
    if config.type == "Bearer":
        secret = header_value(files.text(config.secret_file), config.secret_file)
        return Signed({"Authorization": f"Bearer {secret}"}, (secret,))
    if config.type == "Header":
        secret = header_value(files.text(config.secret_file), config.secret_file)
        return Signed({config.header: secret}, (secret,))
    if config.type == "OAuth2ClientCredentials":
        secret = await token()
        return Signed({"Authorization": f"Bearer {secret}"}, (secret, files.text(config.secret_file)))
    return Signed({})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def header_value(secret: str, file: str) -> str:
    if not secret.isprintable():
        raise SecretMissing(f"The file `{file}` holds more than one line, which no header can hold.")
    return secret
