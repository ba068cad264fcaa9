"""The note's rules, and those of the literature, as checks on a spec. Advice never rejects.

One file for each subject. A new rule is one function under `@rule` in the file of its subject.
"""

import importlib

from ridgeline.planning.advice.base import RULES, Advice, Case, advice_of

#: In the order in which remarks are given.
_SUBJECTS = ("dropout", "penalties", "training", "data")
for _subject in _SUBJECTS:
    importlib.import_module(f"{__name__}.{_subject}")


def advise(case: Case) -> tuple[Advice, ...]:
    """All remarks on a spec."""
    return tuple(advice for rule in RULES for advice in advice_of(rule, case))


__all__ = ["RULES", "Advice", "Case", "advise"]
