"""What the options of a stored data set come to, given the contents of its file."""

from ridgeline.planning.dataset.outcome import Reading
from ridgeline.planning.dataset.reading import dataset_shape, read_stored, spell_out

__all__ = ["Reading", "dataset_shape", "read_stored", "spell_out"]
