"""`ridgeline datasets`: data of one's own to train on."""

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
from ridgeline.cli.talking import talking

datasets = typer.Typer(help="Data of your own: upload it, list, show and delete what is there.")


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
        str | None, typer.Option(help="How to call it; by default as the file is called.")
    ] = None,
    format_: Annotated[
        FormatName | None,
        typer.Option("--format", help="By default the service looks at the first bytes."),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Upload CSV, Parquet, NPZ, two NPY arrays, or a ZIP of images in class folders.

    A file that is there already is not sent again, and one that broke off goes on where it did.
    """
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.transfers import transferring
        from ridgeline.cli.views.datasets import dataset_page

        with transferring(session.output, file.name) as on_progress:
            stored = session.client.upload(file, name=name, format=format_, on_progress=on_progress)
        if as_json:
            session.output.document(stored)
        else:
            session.output.show(*dataset_page(stored))


@datasets.command("list")
def list_datasets(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List the data sets that were uploaded, the newest first."""
    from datetime import UTC, datetime
    from itertools import islice

    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.datasets import datasets_table

        found = list(islice(session.client.datasets(min(limit, 100)), limit))
        if as_json:
            session.output.document(found)
        elif found:
            session.output.show(datasets_table(found, datetime.now(UTC)))
        else:
            session.output.remark("No data set yet: ridgeline datasets upload FILE")


@datasets.command("show")
def show_dataset(
    context: typer.Context,
    dataset: DatasetArgument,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a data set: rows, columns with their types, classes."""
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.datasets import dataset_page

        found = session.client.dataset(session.dataset_id(dataset))
        if as_json:
            session.output.document(found)
        else:
            session.output.show(*dataset_page(found))


@datasets.command("delete")
def delete_datasets(
    context: typer.Context,
    datasets: DatasetArguments,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Delete data sets that no job needs any more."""
    with talking(context, url, as_json=as_json) as session:
        ids = [session.dataset_id(reference) for reference in datasets]
        session.confirm(f"Delete {', '.join(ids)}?", yes=yes)
        for dataset_id in ids:
            session.client.delete_dataset(dataset_id)
            if not as_json:
                session.output.show(f"{dataset_id}  deleted")
        if as_json:
            session.output.document({"deleted": ids})
