"""Jobs side by side: how their specs differ, and their curves."""
