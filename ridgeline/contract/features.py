"""The earlier path of `ridgeline.api.features`."""

from ridgeline.api.features import ColumnFeatures, ImageFeatures, RowEncoding, TargetFeatures

__all__ = ["ColumnFeatures", "ImageFeatures", "RowEncoding", "TargetFeatures"]
