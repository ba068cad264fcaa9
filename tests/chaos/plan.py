"""What the clients and the nemesis of a run will do: it follows from the seed alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.rig.cluster import DatabaseKind
from tests.rig.work import Fault, Work


@dataclass(frozen=True)
class Options:
    """What a run is asked for."""

    seed: int = 7
    minutes: float = 5.0
    """How long the nemesis is at it."""
    jobs: int = 200
    database: DatabaseKind = "postgresql"
    apis: int = 2
    workers: int = 2
    slots: int = 3
    clients: int = 8
    calm_jobs: int = 6
    """Jobs that are posted when all is well again: they show how long things take then."""
    zombies: bool = True
    """Whether workers are away for so long, and some jobs so long, that they become zombies."""
    bound_s: float = 120.0
    """How long the last job may take to end once all is well again."""


class Follow(StrEnum):
    """What a client does with a job that it has posted."""

    NOTHING = "nothing"
    CANCEL = "cancel"
    PAUSE = "pause"  #: and resume it later
    PAUSE_AND_CANCEL = "pause_and_cancel"


@dataclass(frozen=True)
class Script:
    """One job of one client."""

    at_s: float
    """When it is posted, from the start of the run."""
    work: Work
    epochs: int
    seed: int
    key: str | None
    """Its idempotency key."""
    follow: Follow
    after_s: float
    """When the client follows it up, from the answer to its POST."""


class Target(StrEnum):
    """What the nemesis strikes at."""

    WORKER = "worker"
    TRAINER = "trainer"
    API = "api"
    REDIS = "redis"
    POSTGRESQL = "postgresql"
    REDIS_LINK = "redis_link"
    DATABASE_LINK = "database_link"


class Blow(StrEnum):
    """How the nemesis strikes."""

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
    """One blow: `pause_s` after the one before, and undone `hold_s` later."""

    pause_s: float
    target: Target
    blow: Blow
    hold_s: float
    which: int
    """Chooses among several targets."""
    amount: float
    """In [0, 1): of a delay, or of the bytes that still pass."""
    zombie: bool = False
    """Whether a worker is to be away for so long that another has its jobs when it is back."""


_DISTURBED = (Blow.CUT, Blow.CUT, Blow.STALL, Blow.REFUSE, Blow.DELAY, Blow.CUT_AFTER)
#: Each comes once before any comes again.
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
#: Longer than a lease, the reaper's own patience and the backoff: a worker that comes back finds
#: its jobs with another, if nothing else keeps that one from taking them: this blow comes alone.
_ZOMBIE_HOLD_S = (15.0, 18.0)
#: How often that is what becomes of the worker.
_ZOMBIES = {
    (Target.WORKER, Blow.FREEZE): 0.6,
    (Target.DATABASE_LINK, Blow.STALL): 0.3,
    (Target.DATABASE_LINK, Blow.REFUSE): 0.3,
}

_EPOCHS, _EPOCH_S = (3, 25), (0.01, 0.15)
#: So long that a worker which was frozen finds them at work elsewhere.
_LONG_EPOCHS, _LONG_JOBS = (200, 400), 0.2
_KEYED = 0.6
_POISON = 0.12
#: What takes memory for real is left out: only a cgroup keeps it from the machine's.
_POISONS = tuple(fault for fault in Fault if fault is not Fault.EAT)
_STRUCK_ONCE = 0.1
_CANCELLED = 0.12
_PAUSED = 0.1
_PAUSED_AND_CANCELLED = 0.03
#: The jobs are posted within this part of the run, and the rest is for them to be disturbed in.
_POSTING = 0.8


def scripts(options: Options) -> list[Script]:
    """The jobs of all clients, in the order of their time."""
    random = Random(f"{options.seed} scripts")  # noqa: S311 - to be repeatable is the point
    posting = options.minutes * 60 * _POSTING
    times = sorted(random.uniform(0, posting) for _ in range(options.jobs))
    return [_script(random, number, at, options) for number, at in enumerate(times)]


def calm_scripts(options: Options) -> list[Script]:
    """The jobs for when all is well: every other one is cancelled while it runs."""
    work = [Work(f"calm-{n}", epoch_s=0.1) for n in range(options.calm_jobs)]
    follow = [Follow.NOTHING if n % 2 else Follow.CANCEL for n in range(options.calm_jobs)]
    return [
        Script(0.0, each, epochs=20 if then is Follow.CANCEL else 5, seed=n, key=None,
               follow=then, after_s=1.0)
        for n, (each, then) in enumerate(zip(work, follow, strict=True))
    ]  # fmt: skip


def strikes(options: Options) -> Iterator[Strike]:
    """The blows of the nemesis, without an end."""
    random = Random(f"{options.seed} strikes")  # noqa: S311 - to be repeatable is the point
    deck = [each for each in _DECK if _possible(each[0], options)]
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
    """How long a blow lasts."""
    if zombie:
        return random.uniform(*_ZOMBIE_HOLD_S)
    return random.uniform(*(_LONG_HOLD_S if random.random() < _LONG_SHARE else _HOLD_S))


def _possible(target: Target, options: Options) -> bool:
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
        key=f"key-{number}" if random.random() < _KEYED else None,
        follow=_follow(random),
        after_s=random.uniform(0, 2),
    )


def _fault(random: Random) -> tuple[Fault | None, bool]:
    drawn = random.random()
    if drawn < _POISON:
        return random.choice(_POISONS), True
    if drawn < _POISON + _STRUCK_ONCE:
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
