"""Stored data sets: upload, list, show and delete them."""

from pathlib import Path
from typing import Annotated

import typer

from ridgeline.cli.options import (
    DEFAULT_URL,
    AsJson,
    DatasetArgument,
    DatasetArguments,
    FormatName,
    Url,
    Yes,
)
from ridgeline.cli.session import confirm, open_session

datasets = typer.Typer(help="Your own data sets: upload, list, show and delete them.")


@datasets.command("upload")
def upload_dataset(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="What to upload.", exists=True, dir_okay=False, show_default=False
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the data set; by default the file's.")
    ] = None,
    format_: Annotated[
        FormatName | None,
        typer.Option("--format", help="By default detected from the first bytes."),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Upload CSV, Parquet, NPZ, two NPY arrays, or a ZIP of images in class folders.

    A file that is already stored is not sent again, and an interrupted upload is resumed.
    """
    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.datasets import dataset_page

        with session.output.transfer_bar(file.name) as on_progress:
            stored = session.client.upload(file, name=name, format=format_, on_progress=on_progress)
        if as_json:
            session.output.document(stored)
        else:
            session.output.show(*dataset_page(stored))


@datasets.command("list")
def list_datasets(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many.")] = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List the stored data sets, newest first."""
    from datetime import UTC, datetime
    from itertools import islice

    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.datasets import datasets_table

        listed = list(islice(session.client.datasets(min(limit, 100)), limit))
        if as_json:
            session.output.document(listed)
        elif listed:
            session.output.show(datasets_table(listed, datetime.now(UTC)))
        else:
            session.output.remark("No data sets yet. To upload one: ridgeline datasets upload FILE")


@datasets.command("show")
def show_dataset(
    context: typer.Context,
    dataset: DatasetArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a data set: rows, columns and their types, classes."""
    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.datasets import dataset_page

        stored = session.client.dataset(session.dataset_id(dataset))
        if as_json:
            session.output.document(stored)
        else:
            session.output.show(*dataset_page(stored))


@datasets.command("delete")
def delete_datasets(
    context: typer.Context,
    datasets: DatasetArguments,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Delete data sets; one that a job still needs is kept."""
    with open_session(context, url, as_json=as_json) as session:
        ids = [session.dataset_id(reference) for reference in datasets]
        confirm(f"Delete {', '.join(ids)}?", yes=yes)
        for dataset_id in ids:
            session.client.delete_dataset(dataset_id)
            if not as_json:
                session.output.show(f"{dataset_id}  deleted")
        if as_json:
            session.output.document({"deleted": ids})
