"""Which files need not be hashed again."""

from service.http.verified import REMEMBERED_S, Verified


def test_the_same_file_for_an_hour() -> None:
    now = [0.0]
    verified = Verified(lambda: now[0])
    verified.remember("key", "as it is")
    assert verified.knows("key", "as it is")
    assert not verified.knows("key", "changed")
    assert not verified.knows("other", "as it is")
    now[0] = REMEMBERED_S
    assert not verified.knows("key", "as it is")


def test_what_has_no_identity_is_never_known() -> None:
    verified = Verified()
    verified.remember("key", None)
    assert not verified.knows("key", None)


def test_it_stays_small() -> None:
    verified = Verified()
    for number in range(3000):
        verified.remember(str(number), number)
    assert verified.knows("2999", 2999)
    assert not verified.knows("0", 0)
    assert len(verified._seen) == 1000
