"""The plan of a run: the actions of clients and nemesis, determined by the seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.rig.cluster import DatabaseKind
from tests.rig.work import Fault, Work


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    seed: int = 7
    minutes: float = 5.0
    """How long the nemesis strikes."""
    jobs: int = 200
    database: DatabaseKind = "postgresql"
    apis: int = 2
    workers: int = 2
    slots: int = 3
    clients: int = 8
    calm_jobs: int = 6
    """Jobs posted after the faults; they show the timing without faults."""
    zombies: bool = True
    """Whether some workers are away, and some jobs run, long enough to create zombies."""
    bound_s: float = 120.0
    """How long the last job may take to end after the faults."""


class Follow(StrEnum):
    """The action of a client after its POST."""

    NOTHING = "nothing"
    CANCEL = "cancel"
    PAUSE = "pause"  #: and resume it later
    PAUSE_AND_CANCEL = "pause_and_cancel"


@dataclass(frozen=True)
class Script:
    """One job of one client."""

    at_s: float
    """The time of the POST, from the start of the run."""
    work: Work
    epochs: int
    seed: int
    key: str | None
    """Its idempotency key."""
    follow: Follow
    after_s: float
    """The time of the next action, from the response to the POST."""


class Target(StrEnum):
    """The target of a strike."""

    WORKER = "worker"
    TRAINER = "trainer"
    API = "api"
    REDIS = "redis"
    POSTGRESQL = "postgresql"
    REDIS_LINK = "redis_link"
    DATABASE_LINK = "database_link"


class Blow(StrEnum):
    """The kind of a strike."""

    KILL = "kill"
    FREEZE = "freeze"
    TERMINATE = "terminate"
    TERMINATE_AT_ONCE = "terminate_at_once"
    FLUSH = "flush"
    CUT = "cut"
    STALL = "stall"
    REFUSE = "refuse"
    DELAY = "delay"
    CUT_AFTER = "cut_after"


@dataclass(frozen=True)
class Strike:
    """One strike: `pause_s` after the previous one, undone `hold_s` later."""

    pause_s: float
    target: Target
    blow: Blow
    hold_s: float
    which: int
    """Selects one of several targets."""
    amount: float
    """In [0, 1): the share of the longest delay, or of the most bytes that still pass."""
    zombie: bool = False
    """Whether the worker is away so long that another has its jobs when it returns."""


_DISTURBED = (Blow.CUT, Blow.CUT, Blow.STALL, Blow.REFUSE, Blow.DELAY, Blow.CUT_AFTER)
#: Every entry occurs once before any is repeated.
_DECK = (
    *((Target.WORKER, blow) for blow in (Blow.KILL, Blow.KILL, Blow.TERMINATE, Blow.TERMINATE)),
    *((Target.WORKER, blow) for blow in (Blow.FREEZE, Blow.FREEZE)),
    *((Target.TRAINER, blow) for blow in (Blow.KILL, Blow.KILL, Blow.FREEZE)),
    *((Target.API, blow) for blow in (Blow.KILL, Blow.FREEZE, Blow.TERMINATE)),
    *((Target.REDIS, blow) for blow in (Blow.FLUSH, Blow.FLUSH, Blow.KILL, Blow.TERMINATE)),
    (Target.REDIS, Blow.FREEZE),
    *((Target.POSTGRESQL, blow) for blow in (Blow.KILL, Blow.FREEZE)),
    *((Target.POSTGRESQL, blow) for blow in (Blow.TERMINATE, Blow.TERMINATE_AT_ONCE)),
    *((Target.REDIS_LINK, blow) for blow in _DISTURBED),
    *((Target.DATABASE_LINK, blow) for blow in _DISTURBED),
)
_ONLY_WITH_A_SERVER = (Target.POSTGRESQL, Target.DATABASE_LINK)
_PAUSE_S = (0.2, 1.4)
_HOLD_S = (0.3, 3.0)
#: Longer than a lease.
_LONG_HOLD_S = (4.5, 8.0)
_LONG_SHARE = 0.3
#: Longer than lease, reaper interval and backoff, so a returning worker finds its jobs on another.
#: No other strike runs meanwhile: it could keep the other worker from claiming the jobs.
_ZOMBIE_HOLD_S = (15.0, 18.0)
#: The probability that such a strike creates a zombie.
_ZOMBIES = {
    (Target.WORKER, Blow.FREEZE): 0.6,
    (Target.DATABASE_LINK, Blow.STALL): 0.3,
    (Target.DATABASE_LINK, Blow.REFUSE): 0.3,
}

_EPOCHS, _EPOCH_S = (3, 25), (0.01, 0.15)
#: So long that a frozen worker finds them running on another.
_LONG_EPOCHS, _LONG_JOBS = (200, 400), 0.2
_KEYED_SHARE = 0.6
_POISON = 0.12
#: Without the fault that really allocates memory: only a cgroup can limit it.
_POISONS = tuple(fault for fault in Fault if fault is not Fault.EAT)
_FAULTY_ONCE = 0.1
_CANCELLED = 0.12
_PAUSED = 0.1
_PAUSED_AND_CANCELLED = 0.03
#: The share of the run in which jobs are posted; the rest only disturbs them.
_POSTING = 0.8


def scripts(options: Options) -> list[Script]:
    """The jobs of all clients, in chronological order."""
    random = Random(f"{options.seed} scripts")  # noqa: S311 - repeatable on purpose
    posting = options.minutes * 60 * _POSTING
    times = sorted(random.uniform(0, posting) for _ in range(options.jobs))
    return [_script(random, number, at, options) for number, at in enumerate(times)]


def calm_scripts(options: Options) -> list[Script]:
    """The jobs after the faults: every other one is cancelled while it runs."""
    work = [Work(f"calm-{n}", epoch_s=0.1) for n in range(options.calm_jobs)]
    follow = [Follow.NOTHING if n % 2 else Follow.CANCEL for n in range(options.calm_jobs)]
    return [
        Script(0.0, job, epochs=20 if then is Follow.CANCEL else 5, seed=n, key=None,
               follow=then, after_s=1.0)
        for n, (job, then) in enumerate(zip(work, follow, strict=True))
    ]  # fmt: skip


def strikes(options: Options) -> Iterator[Strike]:
    """The endless sequence of strikes."""
    random = Random(f"{options.seed} strikes")  # noqa: S311 - repeatable on purpose
    deck = [card for card in _DECK if _is_possible(card[0], options)]
    calm_s = 0.0
    while True:
        random.shuffle(deck)
        for target, blow in deck:
            zombie = random.random() < _ZOMBIES.get((target, blow), 0.0) and options.zombies
            pause_s, hold_s = calm_s + random.uniform(*_PAUSE_S), _hold_s(random, zombie=zombie)
            which, amount = random.randrange(1000), random.random()
            yield Strike(pause_s, target, blow, hold_s, which, amount, zombie)
            calm_s = hold_s if zombie else 0.0


def _hold_s(random: Random, *, zombie: bool) -> float:
    """The duration of a strike."""
    if zombie:
        return random.uniform(*_ZOMBIE_HOLD_S)
    return random.uniform(*(_LONG_HOLD_S if random.random() < _LONG_SHARE else _HOLD_S))


def _is_possible(target: Target, options: Options) -> bool:
    return options.database == "postgresql" or target not in _ONLY_WITH_A_SERVER


def _script(random: Random, number: int, at_s: float, options: Options) -> Script:
    long = random.random() < _LONG_JOBS and options.zombies
    epochs = random.randint(*(_LONG_EPOCHS if long else _EPOCHS))
    fault, always = _fault(random)
    work = Work(
        f"job-{number}",
        epoch_s=round(random.uniform(*_EPOCH_S), 3),
        fault=fault,
        at=random.randint(1, epochs),
        always=always,
        payload=32 * random.choice([1, 100, 3000]),
    )
    return Script(
        at_s=at_s,
        work=work,
        epochs=epochs,
        seed=random.randrange(1000),
        key=f"key-{number}" if random.random() < _KEYED_SHARE else None,
        follow=_follow(random),
        after_s=random.uniform(0, 2),
    )


def _fault(random: Random) -> tuple[Fault | None, bool]:
    drawn = random.random()
    if drawn < _POISON:
        return random.choice(_POISONS), True
    if drawn < _POISON + _FAULTY_ONCE:
        return random.choice([Fault.EXIT, Fault.SEGFAULT, Fault.KILL, Fault.HANG]), False
    return None, False


def _follow(random: Random) -> Follow:
    shares = {
        Follow.CANCEL: _CANCELLED,
        Follow.PAUSE: _PAUSED,
        Follow.PAUSE_AND_CANCEL: _PAUSED_AND_CANCELLED,
    }
    rest = 1 - sum(shares.values())
    (chosen,) = random.choices([*shares, Follow.NOTHING], [*shares.values(), rest])
    return chosen
