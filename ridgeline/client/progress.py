"""What a view of a job draws on."""

from ridgeline.client.charts import Charts
from ridgeline.client.events import Events
from ridgeline.client.jobs import Jobs


class Progress(Jobs, Events, Charts):
    """The parts of the client that tell how a job goes on."""
