"""The `undercast` command: what it takes. What it does is in `undercast.commands`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from undercast import __version__

app = typer.Typer(
    name="undercast",
    help="A compute cloud that people own: the AWS APIs with real servers and real functions behind them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
account = typer.Typer(no_args_is_help=True, help="Accounts of this cloud.")
image = typer.Typer(no_args_is_help=True, help="Images that servers are launched from.")
app.add_typer(account, name="account")
app.add_typer(image, name="image")

Data = Annotated[Path | None, typer.Option("--data", help="Folder that holds all state.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"undercast {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    pass


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [4566]; 0 picks a free one.")] = None,
    data: Data = None,
    auth: Annotated[str | None, typer.Option(help="on, or off (loopback only): verify signatures.")] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start the cloud."""
    from undercast.commands import speaking, starting

    flags = {"host": host, "port": port, "data": data, "auth": auth}
    settings = speaking.settings(**flags)
    if detach:
        given = [(f"--{name}", str(value)) for name, value in flags.items() if value is not None]
        starting.detached(settings, [word for pair in given for word in pair])
    else:
        starting.foreground(settings, ready_fd)


@app.command()
def down(data: Data = None) -> None:
    """Stop the cloud."""
    from undercast.commands import stopping

    stopping.down(data)


@app.command()
def status(
    data: Data = None, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Show what runs, and the settings in force."""
    from undercast.commands import showing

    raise typer.Exit(showing.status(data, as_json))


@app.command()
def env(data: Data = None) -> None:
    """Print shell exports for AWS's tools: eval "$(undercast env)"."""
    from undercast.commands import showing

    showing.env(data)


@app.command()
def console(data: Data = None) -> None:
    """Print a link into the web console that signs in. It works once, within ten minutes."""
    from undercast.commands import asking

    asking.console(data)


@app.command()
def logs(
    data: Data = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")] = 100,
) -> None:
    """Show the server's log."""
    from undercast.commands import showing

    showing.logs(data, follow, lines)


@app.command()
def reset(
    data: Data = None, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Empty the first account: every function, server, log and role in it goes."""
    from undercast.commands import asking

    if not yes and sys.stdin.isatty():
        typer.confirm("Delete everything in the account?", abort=True)
    asking.reset(data)


@app.command()
def doctor(data: Data = None) -> None:
    """Look at this machine: what is there, what is missing, what to do."""
    from undercast.commands import checking

    raise typer.Exit(checking.doctor(data))


@app.command()
def setup(
    data: Data = None,
    remove: Annotated[bool, typer.Option("--remove", help="Undo it: instances and images go.")] = False,
) -> None:
    """Set this machine up for servers (Incus, a storage pool, the default image). Needs root."""
    from undercast.commands import preparing

    preparing.setup(data, remove)


@app.command()
def demo(
    chapter: Annotated[
        list[str] | None, typer.Option("--chapter", help="functions or servers; may be repeated [both].")
    ] = None,
    data: Data = None,
) -> None:
    """Play the tutorial for real, and leave the cloud running."""
    from undercast.commands import preparing

    preparing.demo(data, chapter or [])


@account.command("add")
def account_add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    number: Annotated[str | None, typer.Option("--number", help="Twelve digits [random].")] = None,
    data: Data = None,
) -> None:
    """Create an account and print its root key."""
    from undercast.commands import asking

    asking.add_account(data, name, number)


@account.command("list")
def account_list(data: Data = None) -> None:
    """Show the accounts."""
    from undercast.commands import asking

    asking.list_accounts(data)


@image.command("list")
def image_list(data: Data = None) -> None:
    """Show the images."""
    from undercast.commands import preparing

    preparing.list_images(data)


@image.command("import")
def image_import(
    source: Annotated[
        str,
        typer.Argument(help="images:debian/13, a root file system tarball, an OCI image or a qcow2 disk."),
    ],
    alias: Annotated[str | None, typer.Option("--alias", help="What to call it.")] = None,
    metadata: Annotated[
        Path | None, typer.Option("--metadata", help="Incus's metadata tarball, for an image in two files.")
    ] = None,
    data: Data = None,
) -> None:
    """Add an image from a remote or a file; it gets an AMI id that stays the same."""
    from undercast.commands import preparing

    preparing.add_image(data, source, alias, metadata)


@image.command("remove")
def image_remove(
    name: Annotated[str, typer.Argument(help="Alias, fingerprint or ami-... id.")], data: Data = None
) -> None:
    """Remove an image."""
    from undercast.commands import preparing

    preparing.remove_image(data, name)


def main() -> None:
    """Entry point of the `undercast` script."""
    app()
