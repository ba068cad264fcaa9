"""How the API reaches the broker; tests/integration/service/test_dispatch.py has a real one."""

import ssl

from service.jobs.dispatch import CeleryDispatch


def test_tls_is_verified() -> None:
    dispatch = CeleryDispatch("rediss://:pw@host:6379/0")
    assert dispatch._app.connection_for_write().ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    dispatch.close()
