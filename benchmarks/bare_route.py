"""The least an API of this kind can do: FastAPI, one SQLite insert or one read by key.

    python benchmarks/bare_route.py PORT DATABASE

SQLite has Ridgeline's settings: WAL and synchronous=FULL, so that an acknowledged insert survives a
power cut. Inserts wait for a lock in the process, which is faster than SQLite's own.
"""

import sqlite3
import sys
import threading

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
writing = threading.Lock()
local = threading.local()


class Row(BaseModel):
    """The response of both routes."""

    id: int
    body: str


class Body(BaseModel):
    """The request of the insert."""

    body: str


def connection() -> sqlite3.Connection:
    """This thread's connection."""
    if not hasattr(local, "connection"):
        local.connection = sqlite3.connect(sys.argv[2], isolation_level=None)
        local.connection.execute("PRAGMA journal_mode=WAL")
        local.connection.execute("PRAGMA synchronous=FULL")
        local.connection.execute(
            "CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, body TEXT)"
        )
    opened: sqlite3.Connection = local.connection
    return opened


@app.post("/rows", status_code=202)
def insert(body: Body) -> Row:
    """Insert one row and commit."""
    with writing:
        cursor = connection().execute("INSERT INTO row (body) VALUES (?)", (body.body,))
    return Row(id=cursor.lastrowid or 0, body=body.body)


@app.get("/rows/{key}")
def read(key: int) -> Row:
    """Read one row by its key."""
    row = connection().execute("SELECT id, body FROM row WHERE id = ?", (key,)).fetchone()
    return Row(id=row[0], body=row[1])


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
