"""Settings of the broker client; the integration tests of dispatch use a real broker."""

import ssl

import pytest

from service.jobs.dispatch import BrokerUnavailable, CeleryDispatch, NoBroker, open_dispatch


def test_tls_is_verified() -> None:
    dispatch = CeleryDispatch("rediss://:pw@host:6379/0")
    assert dispatch._app.connection_for_write().ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    dispatch.close()


def test_without_a_broker_hints_are_dropped_and_none_wait() -> None:
    dispatch = open_dispatch(None)
    assert isinstance(dispatch, NoBroker)
    dispatch.send("job")
    with pytest.raises(BrokerUnavailable, match="no broker"):
        dispatch.waiting()
    dispatch.close()
