"""The command line: `python -m smarter_cluster COMMAND`."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from smarter_cluster import imagebuild, packages
from smarter_cluster.cluster import Cluster
from smarter_cluster.demo import Demo
from smarter_cluster.errors import ClusterError
from smarter_cluster.programs import PROFILES

Command = Callable[[Cluster, argparse.Namespace], int | None]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what it needs to say about failure goes to standard error."""
    options = _parser().parse_args(arguments)
    try:
        cluster = Cluster(options.name, getattr(options, "profile", "api"), say=_say)
        return int(options.run(cluster, options) or 0)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _up(cluster: Cluster, _: argparse.Namespace) -> None:
    cluster.up()
    print(f"export KUBECONFIG={cluster.kubeconfig}")


def _prepare(cluster: Cluster, _: argparse.Namespace) -> None:
    cluster.prepare()


def _prepare_servers(_: Cluster, __: argparse.Namespace) -> None:
    packages.ensure(packages.SERVERS, _say, packages.installer())


def _down(cluster: Cluster, _: argparse.Namespace) -> None:
    cluster.down()


def _kubeconfig(cluster: Cluster, _: argparse.Namespace) -> None:
    print(cluster.kubeconfig)


def _tools(cluster: Cluster, _: argparse.Namespace) -> None:
    print(cluster.bin)


def _trust(cluster: Cluster, _: argparse.Namespace) -> None:
    print(cluster.ca_certificate)


def _status(cluster: Cluster, _: argparse.Namespace) -> int:
    components = cluster.status()
    for component in components:
        print(f"{component.name:26}{component.pid or 'ended':<10}{component.log}")
    if not components:
        print(f"There is no cluster {cluster.name!r}.")
    return 0 if components and all(component.pid for component in components) else 1


def _build_images(cluster: Cluster, options: argparse.Namespace) -> None:
    parts = imagebuild.ALL_PARTS if options.all else imagebuild.PARTS
    for name in cluster.build_images(options.source, parts).values():
        print(name)


def _load_image(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster.load_images([Path(image) if Path(image).is_file() else image for image in options.images])


def _demo(_: Cluster, options: argparse.Namespace) -> None:
    Demo(options.source, options.provider, _say, options.name).run()


def _kubectl(cluster: Cluster, options: argparse.Namespace) -> int:
    command = [str(cluster.bin / "kubectl"), "--kubeconfig", str(cluster.kubeconfig), *options.arguments]
    return subprocess.run(command, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smarter_cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Command, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.add_argument("--name", default="smarter", help="the cluster's name (default: %(default)s)")
        added.set_defaults(run=run)
        return added

    prepare = command("prepare", _prepare, "Compile and install what `up` and the tests need; nothing is started.")
    prepare.add_argument("--profile", choices=PROFILES, default="full")
    command("prepare-servers", _prepare_servers, "Install the databases that the tests start; no service is used.")
    up = command("up", _up, "Make, extend or repair the cluster.")
    up.add_argument("--profile", choices=PROFILES, default="api")
    command("down", _down, "Remove the cluster and everything it made.")
    command("kubeconfig", _kubeconfig, "Print the path of the kubeconfig.")
    command("status", _status, "Show which programs of the cluster run.")
    command("tools", _tools, "Print the folder with kubectl and the other programs.")
    command("trust", _trust, "Print the path of the certificate that signs for the cluster's HTTPS hosts.")
    images = command("build-images", _build_images, "Build the images of operator and runtime; print their names.")
    images.add_argument("--source", type=Path, default=Path(), help="the project's folder (default: the current one)")
    images.add_argument("--all", action="store_true", help="also the image of the runtime with LangChain")
    load = command("load-image", _load_image, "Have images in the cluster's node.")
    load.add_argument("images", nargs="+", metavar="TAR|NAME")
    demo = command("demo", _demo, "Install the operator and the sample bots, and ask one of them.")
    demo.add_argument("--provider", choices=("demo", "openai"), default="demo")
    demo.add_argument("--source", type=Path, default=Path.cwd(), help="the project's root (default: this folder)")
    kubectl = command("kubectl", _kubectl, "Run kubectl as the cluster's administrator.")
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser
