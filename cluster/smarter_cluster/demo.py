"""The demo: from nothing to an answer over HTTPS that only a plugin could have given."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from smarter_cluster import charts
from smarter_cluster.bots import Refused, Visitor
from smarter_cluster.cluster import Cluster
from smarter_cluster.errors import ClusterError
from smarter_cluster.reporting import Say
from smarter_cluster.settings import Settings

QUESTION = "What is the voucher code of the day?"
HOST = "support.shoes.localhost"
WAIT_SECONDS = 180.0

Manifests = list[dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """What the bot said, the fact of this run that it had to say, and the seconds since it was applied."""

    fact: str
    text: str
    seconds: float


class Demo:
    """Brings the cluster up, installs the operator from `source`, applies the samples and asks."""

    def __init__(self, source: Path, provider: str, say: Say, name: str = "smarter") -> None:
        self._source = source
        self._provider = provider
        self._say = say
        self._cluster = Cluster(name, "full", say=say)

    def run(self) -> Answer:
        """Do all of it; what is done already is not done again.

        Raises:
            ClusterError: naming what did not work, and where to look.
        """
        self._check_provider()
        started = time.monotonic()
        self._cluster.up()
        self._say("» images")
        images = self._cluster.build_images(self._source)
        self._cluster.load_images(list(images.values()))
        self._say("» operator")
        charts.install(self._cluster, self._source, self._cluster.image_names(self._source), wait=True)
        voucher = f"LARK-{secrets.token_hex(4).upper()}"
        self._say(f"» samples, with the voucher code {voucher} of this run in a plugin")
        answer = self._apply_and_ask(voucher)
        self._wait_for_the_others()
        self._tell(answer, time.monotonic() - started)
        return answer

    def _check_provider(self) -> None:
        if self._provider not in ("demo", "openai"):
            raise ClusterError(f"There is no provider {self._provider!r} for the demo; use `demo` or `openai`.")
        if self._provider == "openai" and not Settings().openai_api_key:
            raise ClusterError("PROVIDER=openai needs the key in the environment variable OPENAI_API_KEY.")

    def _apply_and_ask(self, voucher: str) -> Answer:
        samples = self._source / "docs" / "samples"
        for namespace in sorted(samples.glob("*/namespace.yaml")):
            self._cluster.kubectl("apply", "-f", str(namespace))
        self._secret()
        manifests = [manifest for path in sorted(samples.glob("*/*.yaml")) for manifest in self._read(path)]
        chatbots = [manifest for manifest in manifests if manifest["kind"] == "Chatbot"]
        rest = [_with_voucher(manifest, voucher) for manifest in manifests if manifest["kind"] != "Chatbot"]
        self._apply(rest)
        began = time.monotonic()
        self._apply(chatbots)
        text = self._wait_for(lambda: self._answer_with(voucher), f"an answer of https://{HOST}")
        return Answer(fact=voucher, text=text, seconds=time.monotonic() - began)

    def _read(self, path: Path) -> Manifests:
        other = "provider.yaml" if self._provider == "openai" else "provider-openai.yaml"
        has_variants = (path.parent / "provider-openai.yaml").exists()
        if has_variants and path.name == other:
            return []
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))

    def _secret(self) -> None:
        if self._provider != "openai":
            return
        key = Settings().openai_api_key.get_secret_value()
        metadata = {"name": "openai", "namespace": "shoes"}
        self._apply([{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"api-key": key}}])

    def _apply(self, manifests: Manifests) -> None:
        self._cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def _answer_with(self, fact: str) -> str:
        answer = self._visitor().ask(QUESTION)
        if fact not in answer:
            raise Refused(f"the answer does not contain {fact}: {answer}")
        return answer

    def _visitor(self) -> Visitor:
        return Visitor(HOST, self._cluster.https_address, self._cluster.ca_certificate)

    def _wait_for_the_others(self) -> None:
        for namespace, condition in (("shoes", "Ready"), ("garden", "Ready"), ("broken", "Available")):
            arguments = ("wait", "chatbots", "--all", "-n", namespace, f"--for=condition={condition}", "--timeout=120s")
            self._cluster.kubectl(*arguments)

    def _wait_for(self, attempt: Callable[[], str], what: str) -> str:
        end, last = time.monotonic() + WAIT_SECONDS, ""
        while time.monotonic() < end:
            try:
                return attempt()
            except (OSError, Refused) as error:
                last = str(error)
                time.sleep(0.1)
        table = self._cluster.kubectl("get", "chatbots,pods", "-A", "-o", "wide")
        raise ClusterError(
            f"There was not {what} within {WAIT_SECONDS:.0f} s; the last try ended with: {last}\n{table}"
        )

    def _tell(self, answer: Answer, total: float) -> None:
        _, port = self._cluster.https_address
        url = f"https://{HOST}" + ("" if port == 443 else f":{port}")
        self._say("\n$ kubectl get chatbots --all-namespaces")
        self._say(self._cluster.kubectl("get", "chatbots", "--all-namespaces").rstrip())
        reason = '{.status.conditions[?(@.type=="Ready")].message}'
        broken = self._cluster.kubectl("get", "chatbot", "returns-desk", "-n", "broken", "-o", f"jsonpath={reason}")
        self._say(f"\nreturns-desk is broken on purpose, and says why:\n  {broken}")
        self._say(f"\nAsked {url} over HTTPS, certificate verified ({answer.seconds:.1f} s after the apply):")
        self._say(f"  Q: {QUESTION}\n  A: {answer.text}")
        self._say(f"\nChat with it in a browser:  {url}")
        self._say(f"  its certificate is signed by {self._cluster.ca_certificate}")
        self._say(f"Talk to the cluster:        export KUBECONFIG={self._cluster.kubeconfig}")
        self._say(f"Remove everything:          make demo-down\n\nThe demo took {total:.0f} s.")


def _with_voucher(manifest: dict[str, Any], voucher: str) -> dict[str, Any]:
    if manifest["kind"] == "Plugin" and manifest["metadata"]["name"] == "todays-offer":
        manifest["spec"]["static"]["data"]["voucher code of the day"]["code"] = voucher
    return manifest
