"""Who trains."""

import typer

from ridgeline.cli.options import DEFAULT_URL, AsJson, Url
from ridgeline.cli.talking import talking


def workers(context: typer.Context, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the workers and the jobs they hold."""
    from datetime import UTC, datetime

    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.workers import workers_table

        found = session.client.workers()
        if as_json:
            session.output.document(found)
        elif found:
            session.output.show(workers_table(found, datetime.now(UTC)))
        else:
            session.output.remark("No worker yet: jobs wait.")
