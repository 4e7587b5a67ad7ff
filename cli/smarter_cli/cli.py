"""The commands, as a person types them."""

import asyncio
import sys
from pathlib import Path

import click

from smarter_cli.manifests import InputError
from smarter_cli.run import Options, Terminal, run

DEFAULT_PORT = 8080


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="smarter-cli", prog_name="smarter")
def smarter() -> None:
    """Chatbots as Kubernetes resources."""


@smarter.command("run")
@click.option(
    "-f", "--filename", "paths", type=click.Path(path_type=Path), multiple=True, required=True, metavar="FILE",
    help="File with manifests, or folder with such files; may be given several times.",
)  # fmt: skip
@click.option(
    "--chatbot", default="", metavar="NAME", help="Which Chatbot, if the files hold several: NAME or NAMESPACE/NAME."
)
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), metavar="NUMBER",
    help="Port to serve at; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--env-file", default=Path(".env"), show_default=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Variables with the values of Secrets; those of the environment go first.",
)  # fmt: skip
@click.option(
    "--with-store", is_flag=True,
    help="Use the Store that the Chatbot names, instead of keeping everything in the process.",
)  # fmt: skip
def run_command(paths: tuple[Path, ...], chatbot: str, port: int, env_file: Path, with_store: bool) -> None:
    """Serve a Chatbot on this machine from the manifests that a cluster would get.

    Nothing else is needed: no cluster, no image. The page, the API and the plugins are those of the cluster, and a
    change of a file is live at once. Key KEY of Secret NAME comes from the variable NAME_KEY, in capitals: key api-key
    of Secret openai from OPENAI_API_KEY.
    """
    options = Options(paths=paths, chatbot=chatbot, port=port, env_file=env_file, with_store=with_store)
    try:
        asyncio.run(run(options, Terminal(click.echo, _warn)))
    except InputError as error:
        click.secho(f"Error: {error}", err=True, fg="red")
        sys.exit(1)


def _warn(text: str) -> None:
    click.secho(text, err=True, fg="yellow")


def main() -> None:
    """Run the command that the arguments name."""
    smarter(prog_name="smarter")
