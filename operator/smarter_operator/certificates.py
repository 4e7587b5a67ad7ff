"""The certificate with which the operator serves: files of a mounted Secret, read anew when they change."""

import logging
import ssl
from pathlib import Path

logger = logging.getLogger(__name__)


class ServingCertificate:
    """`tls.crt` and `tls.key` in a folder; `context` serves with the last pair that fitted together."""

    def __init__(self, folder: Path) -> None:
        self._files = (folder / "tls.crt", folder / "tls.key")
        self._tried: tuple[bytes, ...] = ()
        self._complaint = ""
        self._usable = False
        self.context = _new_context()

    def refresh(self) -> bool:
        """Take in what changed in the folder. Returns whether there is a certificate to serve with."""
        try:
            found = tuple(path.read_bytes() for path in self._files)
            if found != self._tried:
                self._tried = found
                self._load()
        except (OSError, ssl.SSLError) as error:
            self._complain(str(error))
        return self._usable

    def _load(self) -> None:
        # Tried apart from the context in use, which a pair that does not fit together must not break.
        _new_context().load_cert_chain(*self._files)
        self.context.load_cert_chain(*self._files)
        self._usable, self._complaint = True, ""
        logger.info("webhook certificate loaded")

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            logger.warning("webhook certificate not usable", extra={"error": complaint, "serving": self._usable})


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
