"""The clients: they post jobs and follow them up, and write down what they were answered."""

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
_COME_BACK = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Clients:
    """Several clients of several APIs."""

    def __init__(self, urls: Sequence[str], history: History, number: int) -> None:
        self._urls = list(urls)
        self._history = history
        self._number = number
        self._turns = count()
        self.acknowledged: list[str] = []
        """The jobs whose POST was answered, so far."""
        self._stopping = threading.Event()

    def run(self, scripts: Sequence[Script], patience_s: float) -> None:
        """Go through all scripts, each at its time; give up what has no answer `patience_s` later.

        The times count from now.
        """
        start = time.monotonic()
        until = start + max((script.at_s for script in scripts), default=0.0) + patience_s
        with ThreadPoolExecutor(self._number, "client") as pool:
            shares = [scripts[n :: self._number] for n in range(self._number)]
            done = [
                pool.submit(self._play, n, share, start, until) for n, share in enumerate(shares)
            ]
            for each in done:
                each.result()

    def stop(self) -> None:
        """Let everyone end with what they are at."""
        self._stopping.set()

    def read_along(self, seed: int, done: threading.Event) -> None:
        """Read jobs and download files at random, as dashboards do, until `done` is set."""
        random = Random(f"{seed} reader")  # noqa: S311 - to be repeatable is the point
        with self._http() as http:
            while not done.wait(_READ_S):
                if self.acknowledged:
                    self._read(http, random.choice(self.acknowledged))

    def resume(self, job_id: str) -> None:
        """Have a job go on that a late request has paused after its client was done with it."""
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
            answer = self._ask(http, who, "post", "/jobs", json=body, headers=headers, **detail)
            if answer is not None:
                assert answer.is_success, answer.text
                job_id = str(answer.json()["id"])
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
            self._insist(http, who, word, job_id, until)

    def _insist(self, http: httpx.Client, who: str, word: str, job_id: str, until: float) -> None:
        """Ask until there is an answer, be it no."""
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
        """POST to the next API in turn; None if it is unknown whether it was done."""
        url = self._urls[next(self._turns) % len(self._urls)]
        began = time.time()
        try:
            answer = http.post(url + path, json=json, headers=headers)
        except httpx.TransportError as error:
            detail["error"] = type(error).__name__
            self._history.add(who, action, Outcome.UNKNOWN, began, api=url, **detail)
            return None
        detail |= {"api": url, "code": answer.status_code}
        outcome = _outcome(answer)
        if outcome is Outcome.OK:
            detail |= {"job": answer.json()["id"], "status": answer.json()["status"]}
        self._history.add(who, action, outcome, began, **detail)
        return None if outcome is Outcome.UNKNOWN else answer

    def _read(self, http: httpx.Client, job_id: str) -> None:
        url = self._urls[next(self._turns) % len(self._urls)]
        began = time.time()
        try:
            answer = http.get(f"{url}/jobs/{job_id}")
            code, detail = answer.status_code, {"job": job_id}
            if not answer.is_success:
                self._history.add("reader", "read", _outcome(answer), began, code=code, **detail)
                return
            job = answer.json()
            self._history.add(
                "reader", "read", Outcome.OK, began, code=code, status=job["status"], **detail
            )
            for file in job["artifacts"]:
                self._download(http, url, job_id, file)
        except httpx.TransportError:
            return  # nothing was learned

    def _download(self, http: httpx.Client, url: str, job_id: str, file: dict[str, Any]) -> None:
        began = time.time()
        answer = http.get(url + file["href"])
        sha256 = hashlib.sha256(answer.content).hexdigest() if answer.is_success else None
        detail = {"job": job_id, "name": file["name"], "promised": file["sha256"]}
        self._history.add(
            "reader",
            "download",
            _outcome(answer),
            began,
            code=answer.status_code,
            sha256=sha256,
            **detail,
        )

    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=_TIMEOUT_S, trust_env=False)


def _outcome(answer: httpx.Response) -> Outcome:
    if answer.is_success:
        return Outcome.OK
    definite = answer.is_client_error and answer.status_code not in _COME_BACK
    return Outcome.REFUSED if definite else Outcome.UNKNOWN
