"""Advice on a spec, by rules of the note and of the literature. Advice never rejects a spec.

One file per subject. To add a rule, write one function under `@rule` in the file of its subject.
"""

import importlib

from ridgeline.planning.advice.base import RULES, Advice, Case, advice_of

#: In the order of the remarks.
_SUBJECTS = ("dropout", "penalties", "training", "data")
for _subject in _SUBJECTS:
    importlib.import_module(f"{__name__}.{_subject}")


def advise(case: Case) -> tuple[Advice, ...]:
    """All remarks on a spec."""
    return tuple(advice for rule in RULES for advice in advice_of(rule, case))


__all__ = ["RULES", "Advice", "Case", "advise"]
