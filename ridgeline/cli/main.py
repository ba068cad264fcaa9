"""The `ridgeline` command. A command is one module here, with one line to register it."""

import typer

from ridgeline.cli.demo import demo
from ridgeline.cli.up import up

app = typer.Typer(
    name="ridgeline",
    help="Trains Keras models from JSON and says what the regularization did.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(up)
app.command()(demo)


@app.callback()
def _root() -> None:
    """Keep subcommands as such, even if there were only one."""


if __name__ == "__main__":
    app()
