"""The `evidesk` command. Every process of the product can be started by it, alone or all at once."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from app.core.settings import Settings
from app.embedded.instance import Instance
from app.embedded.services import modules_for
from app.embedded.up import Up
from app.sample.report import send_sample

cli = typer.Typer(
    help="The AI support desk that shows its evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

classifier = typer.Typer(help="The local classifier: judged on your own export, trained anew.", no_args_is_help=True)
cli.add_typer(classifier, name="classifier")

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            where = "__".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"The setting {where} is not usable: {problem['msg']}", err=True)
        raise typer.Exit(2) from None


DATABASE, REDIS = "DATABASE_URL", "REDIS_URL"


def _become(module: str, *arguments: str, needs: Sequence[str] = (DATABASE, REDIS)) -> None:
    """Go on as another Python process, with the addresses it needs: the settings', else those of a running instance."""
    settings = _settings()
    state = Instance(settings.data_dir.resolve()).read()
    running = state if state is not None and state.running else None
    found = {
        DATABASE: settings.database_url.get_secret_value()
        if settings.database_url
        else running and running.database_url,
        REDIS: settings.redis_url.get_secret_value() if settings.redis_url else running and running.redis_url,
    }
    environment = dict(os.environ)
    for name in needs:
        address = found[name]
        if not address:
            typer.echo(f"Set {name}, or start everything with 'evidesk up'.", err=True)
            raise typer.Exit(2)
        environment[name] = address
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)


@cli.command()
def up(
    *,
    once: Annotated[bool, typer.Option(help="Stop after the sample report; exit 0 only if its ticket is complete.")] = (
        False
    ),
    data_dir: Annotated[Path | None, typer.Option(help="Instead of EVIDESK_DATA_DIR.")] = None,
) -> None:
    """Start everything on this machine and serve until Ctrl-C."""
    settings = _settings()
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir})
    raise typer.Exit(
        asyncio.run(Up(settings, Console(highlight=False), send_sample, once=once, modules=modules_for(settings)).run())
    )


@cli.command()
def api() -> None:
    """Serve HTTP and WebSocket on EVIDESK_HOST:EVIDESK_PORT."""
    _become("app.commands.api")


@cli.command(context_settings=PASS_ON)
def worker(context: typer.Context) -> None:
    """Run background tasks; takes Celery's own worker options too."""
    _become("app.commands.worker", *context.args)


@cli.command()
def relay() -> None:
    """Carry out what the outbox holds: tasks, pushes, outgoing calls."""
    _become("app.commands.relay")


@cli.command()
def mail() -> None:
    """Take mail in, from the sources that EVIDESK_MAIL__SOURCES names."""
    _become("app.commands.mail")


@cli.command()
def mcp(
    *,
    stdio: Annotated[
        bool,
        typer.Option("--stdio", help="Pass the tools of a running server on to a client that started this command."),
    ] = False,
) -> None:
    """Serve the tools to agents on EVIDESK_MCP_PORT."""
    if stdio:
        _become("app.commands.mcp_stdio", needs=[])
    else:
        _become("mcp_server")


@cli.command()
def migrate(revision: Annotated[str, typer.Argument(help="The revision to go up to.")] = "head") -> None:
    """Bring the database schema up to date."""
    _become("app.commands.migrate", revision, needs=[DATABASE])


@cli.command()
def create_admin() -> None:
    """Create the user admin with EVIDESK_ADMIN_PASSWORD, if there is none."""
    _become("app.commands.create_admin", needs=[DATABASE])


@cli.command()
def openapi(path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("openapi.json")) -> None:
    """Write the OpenAPI document."""
    _become("app.commands.openapi", str(path), needs=[])


@classifier.command()
def evaluate(
    *,
    train: Annotated[Path, typer.Option(help="CSV to learn from; the threshold is chosen on it alone.")],
    test: Annotated[Path, typer.Option(help="CSV to judge on.")],
    text: Annotated[str, typer.Option(help="Columns with the text, separated by commas.")],
    label: Annotated[str, typer.Option(help="Column with what is to be told.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Train on one table of labelled tickets and say how well that does on another; exit 2 for an unusable table."""
    given = ["--train", str(train), "--test", str(test), f"--text={text}", f"--label={label}"]
    _become("app.commands.classifier", *given, *(["--json"] if as_json else []), needs=[])


@classifier.command()
def retrain() -> None:
    """Train the desk's classifier from what people have judged; exit 1 when the new version is not used."""
    _become("app.commands.retrain")


Documents = Annotated[Path, typer.Option(help="JSON lines: id, text, title?")]
Questions = Annotated[Path, typer.Option(help="JSON lines: id, question, relevant[], answerable")]


def _evaluate(module: str, documents: Path, questions: Path, *, as_json: bool) -> None:
    named = ["--documents", str(documents), "--questions", str(questions)]
    _become(module, *named, *(["--json"] if as_json else []), needs=[])


knowledge = typer.Typer(help="What the desk knows.", no_args_is_help=True)
cli.add_typer(knowledge, name="knowledge")


@knowledge.command("evaluate")
def evaluate_search(
    *,
    documents: Documents,
    questions: Questions,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line instead of a table.")] = False,
) -> None:
    """Measure the search on your own documents and questions, in a schema that is dropped afterwards."""
    _evaluate("app.commands.evaluate_knowledge", documents, questions, as_json=as_json)


@knowledge.command("load")
def load_knowledge(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders (Markdown, text, HTML, PDF, office files; those below too), files, addresses of web pages.",
        ),
    ],
    *,
    username: Annotated[str, typer.Option(help="A member of staff.")] = "admin",
    url: Annotated[str | None, typer.Option(help="Of the API; left out: this installation's.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="Who may read them; left out: everybody.")] = None,
    team: Annotated[list[str] | None, typer.Option(help="Which teams may read them.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds, until all of them can be found.")] = 3600,
) -> None:
    """Load documents; again, to replace what changed. Asks for a password unless EVIDESK_ADMIN_PASSWORD is the admin's.

    Exit 1 if one of them cannot be read, 2 if there is none, or no desk that lets you in.
    """
    named = [f"--username={username}", f"--wait={wait:g}", *([f"--url={url}"] if url else [])]
    readers = [*(f"--role={one}" for one in role or ()), *(f"--team={one}" for one in team or ())]
    _become("app.commands.load_knowledge", *named, *readers, "--", *sources, needs=[])


@knowledge.command()
def reembed(
    embedder: Annotated[str, typer.Argument(help="local, openai:…, compatible:…/… or bedrock:…")],
) -> None:
    """Have every passage embedded by another model; searches change over when all are; exit 1 if they do not."""
    _become("app.commands.reembed", "--", embedder)


@knowledge.command()
def reindex() -> None:
    """Make the index of vectors anew from what the database has."""
    _become("app.commands.reindex")


answers = typer.Typer(help="Answers from what the desk knows.", no_args_is_help=True)
cli.add_typer(answers, name="answers")


@answers.command("evaluate")
def evaluate_answers(
    *,
    documents: Documents,
    questions: Questions,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, with the risk-coverage curve.")] = False,
) -> None:
    """Measure answering and abstaining on your own documents and questions, in a schema that is dropped afterwards."""
    _evaluate("app.commands.evaluate_answers", documents, questions, as_json=as_json)


@cli.command()
def status() -> None:
    """Say what runs on the data directory; exit 1 if nothing does."""
    settings = _settings()
    state = Instance(settings.data_dir.resolve()).read()
    if state is None or not state.running:
        typer.echo(f"Nothing runs on {settings.data_dir.resolve()}.")
        raise typer.Exit(1)
    typer.echo(state.describe())


def main() -> None:
    cli()


if __name__ == "__main__":
    main()
