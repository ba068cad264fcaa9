"""Clients that post, cancel, pause and read jobs, and record the responses."""

import hashlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import count
from random import Random
from typing import Any

import httpx

from tests.chaos.history import History, Outcome
from tests.chaos.plan import Follow, Script

_TIMEOUT_S = 3.0
_RETRY_S = 0.3
_PAUSED_S = 1.0
_READ_S = 0.1
_RETRY_STATUSES = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Clients:
    """Concurrent clients of several APIs."""

    def __init__(self, urls: Sequence[str], history: History, number: int) -> None:
        self._urls = list(urls)
        self._history = history
        self._number = number
        self._turns = count()
        self.acknowledged: list[str] = []
        """The jobs whose POST has been acknowledged."""
        self._stopping = threading.Event()

    def run(self, scripts: Sequence[Script], patience_s: float) -> None:
        """Run all scripts at their times, counted from now.

        Requests without a response `patience_s` after the last script are given up.
        """
        start = time.monotonic()
        until = start + max((script.at_s for script in scripts), default=0.0) + patience_s
        with ThreadPoolExecutor(self._number, "client") as pool:
            shares = [scripts[n :: self._number] for n in range(self._number)]
            done = [
                pool.submit(self._play, n, share, start, until) for n, share in enumerate(shares)
            ]
            for future in done:
                future.result()

    def stop(self) -> None:
        """Let every client stop after its current request."""
        self._stopping.set()

    def read_at_random(self, seed: int, done: threading.Event) -> None:
        """Read jobs and download files at random, as dashboards do, until `done` is set."""
        random = Random(f"{seed} reader")  # noqa: S311 - repeatable on purpose
        with self._http() as http:
            while not done.wait(_READ_S):
                if self.acknowledged:
                    self._read(http, random.choice(self.acknowledged))

    def resume(self, job_id: str) -> None:
        """Resume a job that a late request paused after its client had finished."""
        with self._http() as http:
            self._ask(http, "admin", "resume", f"/jobs/{job_id}/resume", job=job_id)

    def _play(self, number: int, share: Sequence[Script], start: float, until: float) -> None:
        who = f"client-{number}"
        with self._http() as http:
            for script in share:
                if self._stopping.wait(max(0.0, start + script.at_s - time.monotonic())):
                    return
                job_id = self._post(http, who, script, until)
                if job_id is not None:
                    self._follow(http, who, script, job_id, until)

    def _post(self, http: httpx.Client, who: str, script: Script, until: float) -> str | None:
        headers = {"Idempotency-Key": script.key} if script.key else {}
        body = script.work.spec(script.epochs, script.seed)
        detail = {"label": script.work.label, "key": script.key}
        while True:
            response = self._ask(http, who, "post", "/jobs", json=body, headers=headers, **detail)
            if response is not None:
                assert response.is_success, response.text
                job_id = str(response.json()["id"])
                self.acknowledged.append(job_id)
                return job_id
            if self._stopping.wait(_RETRY_S) or time.monotonic() > until:
                return None

    def _follow(
        self, http: httpx.Client, who: str, script: Script, job_id: str, until: float
    ) -> None:
        words = {
            Follow.NOTHING: (),
            Follow.CANCEL: ("cancel",),
            Follow.PAUSE: ("pause", "resume"),
            Follow.PAUSE_AND_CANCEL: ("pause", "cancel"),
        }[script.follow]
        pause = script.after_s
        for word in words:
            self._stopping.wait(pause)
            pause = _PAUSED_S
            self._ask_until_definite(http, who, word, job_id, until)

    def _ask_until_definite(
        self, http: httpx.Client, who: str, word: str, job_id: str, until: float
    ) -> None:
        """Repeat the request until the response is definite, success or not."""
        path = f"/jobs/{job_id}/{word}"
        while self._ask(http, who, word, path, job=job_id) is None:
            if self._stopping.wait(_RETRY_S) or time.monotonic() > until:
                return

    def _ask(
        self,
        http: httpx.Client,
        who: str,
        action: str,
        path: str,
        *,
        json: Any = None,
        headers: dict[str, str] | None = None,
        **detail: Any,
    ) -> httpx.Response | None:
        """POST to the next API in turn; None if it is unknown whether the request took effect."""
        url = self._urls[next(self._turns) % len(self._urls)]
        began = time.time()
        try:
            response = http.post(url + path, json=json, headers=headers)
        except httpx.TransportError as error:
            detail["error"] = type(error).__name__
            self._history.add(who, action, Outcome.UNKNOWN, began, api=url, **detail)
            return None
        detail |= {"api": url, "code": response.status_code}
        outcome = _outcome(response)
        if outcome is Outcome.OK:
            detail |= {"job": response.json()["id"], "status": response.json()["status"]}
        self._history.add(who, action, outcome, began, **detail)
        return None if outcome is Outcome.UNKNOWN else response

    def _read(self, http: httpx.Client, job_id: str) -> None:
        url = self._urls[next(self._turns) % len(self._urls)]
        began = time.time()
        try:
            response = http.get(f"{url}/jobs/{job_id}")
            code, detail = response.status_code, {"job": job_id}
            if not response.is_success:
                self._history.add("reader", "read", _outcome(response), began, code=code, **detail)
                return
            job = response.json()
            self._history.add(
                "reader", "read", Outcome.OK, began, code=code, status=job["status"], **detail
            )
            for file in job["artifacts"]:
                self._download(http, url, job_id, file)
        except httpx.TransportError:
            return  # no response to record

    def _download(self, http: httpx.Client, url: str, job_id: str, file: dict[str, Any]) -> None:
        began = time.time()
        response = http.get(url + file["href"])
        sha256 = hashlib.sha256(response.content).hexdigest() if response.is_success else None
        detail = {"job": job_id, "name": file["name"], "promised": file["sha256"]}
        self._history.add(
            "reader",
            "download",
            _outcome(response),
            began,
            code=response.status_code,
            sha256=sha256,
            **detail,
        )

    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=_TIMEOUT_S, trust_env=False)


def _outcome(response: httpx.Response) -> Outcome:
    if response.is_success:
        return Outcome.OK
    definite = response.is_client_error and response.status_code not in _RETRY_STATUSES
    return Outcome.REFUSED if definite else Outcome.UNKNOWN
