"""A reader that nobody here wrote takes what `audit export` writes: DuckDB reads the Parquet file, Python's json the JSON Lines of the same stretch.

Usage: export_duckdb.py --bin target/release/bartizan --dir STATE

What is compared: the names and types of the columns, which of them may be empty, every value of every row, and what comes of a filter that lets a
reader pass over rows by the ranges in the file.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile

import duckdb

from harness import check

NUMBER, TEXT = "BIGINT", "VARCHAR"
# The columns of the documentation: the type that a reader is to find, and whether a row may have nothing there.
COLUMNS = {
    "idx": (NUMBER, False), "record": (TEXT, False), "kind": (TEXT, False), "time_ms": (NUMBER, False),
    "key_id": (TEXT, True), "subject": (TEXT, True), "route": (TEXT, True), "model": (TEXT, True), "policy": (TEXT, True),
    "verdict": (NUMBER, False), "outcome": (TEXT, True), "tokens_in": (NUMBER, True), "tokens_out": (NUMBER, True),
    "count": (NUMBER, True), "leaf_hash": (TEXT, False), "intent": (NUMBER, True), "unsigned": (NUMBER, False),
}  # fmt: skip
REPETITION = {False: "REQUIRED", True: "OPTIONAL"}
PYTHON = {NUMBER: int, TEXT: str}


def export(binary, folder, out, form, *more):
    command = [binary, "audit", "export", "--dir", folder, "--format", form, "--out", out, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{' '.join(command)}: {done.returncode}: {done.stderr}")


def json_rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def parquet_rows(path, condition="true"):
    found = duckdb.execute(f"SELECT * FROM read_parquet(?) WHERE {condition}", [path])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def shape(path):
    """Name to type, and name to whether it may be empty, as the file's own schema tells DuckDB."""
    types = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
    schema = duckdb.execute("SELECT name, repetition_type FROM parquet_schema(?)", [path]).fetchall()
    may_be_empty = {name: kind for name, kind in schema if name in COLUMNS}
    return {name: (kind, may_be_empty.get(name)) for name, kind, *_ in types}


def compare(binary, folder, *stretch):
    """One stretch in both forms; its rows."""
    with tempfile.TemporaryDirectory(prefix="bartizan-export-") as out:
        parquet, lines = os.path.join(out, "leaves.parquet"), os.path.join(out, "leaves.jsonl")
        export(binary, folder, parquet, "parquet", *stretch)
        export(binary, folder, lines, "jsonl", *stretch)
        want = {name: (kind, REPETITION[empty]) for name, (kind, empty) in COLUMNS.items()}
        check(shape(parquet) == want, f"the columns are {shape(parquet)}")
        rows = json_rows(lines)
        for row in rows:
            check(set(row) == set(COLUMNS), f"the line has {list(row)}")
            for name, (kind, empty) in COLUMNS.items():
                is_right = type(row[name]) is PYTHON[kind] or (empty and row[name] is None)
                check(is_right, f"{name} of {row['idx']} is {row[name]!r}")
        read = parquet_rows(parquet)
        check(len(read) == len(rows), f"{len(read)} rows of Parquet, {len(rows)} lines of JSON")
        for one, other in zip(read, rows, strict=True):
            check(one == other, f"Parquet has {one}, JSON {other}")
        if rows:
            ranges(parquet, rows)
        return rows


def ranges(parquet, rows):
    """A reader that believes the ranges of the file finds what is there: at the ends, in the middle, and nothing beyond."""
    for name in ["idx", "time_ms"]:
        values = sorted(row[name] for row in rows)
        for value in [values[0] - 1, values[0], values[len(values) // 2], values[-1], values[-1] + 1]:
            for sign, holds in [("=", int.__eq__), ("<", int.__lt__), (">", int.__gt__)]:
                n_found = len(parquet_rows(parquet, f"{name} {sign} {value}"))
                n_there = sum(holds(row[name], value) for row in rows)
                check(n_found == n_there, f"{name} {sign} {value}: {n_found} found, {n_there} there")


def same_rows(binary, folder):
    """The whole log, and the same log in two stretches that follow each other."""
    rows = compare(binary, folder)
    kinds = {row["kind"] for row in rows}
    check({"intent", "outcome"} <= kinds, f"too little is recorded to compare: {kinds}")
    check(any(row["tokens_in"] is not None for row in rows) and any(row["key_id"] is None for row in rows), "no column is empty in one row and full in another")
    middle_s = rows[len(rows) // 2]["time_ms"] // 1000
    middle = datetime.datetime.fromtimestamp(middle_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    before, after = compare(binary, folder, "--until", middle), compare(binary, folder, "--since", middle)
    check(sorted(row["idx"] for row in before + after) == [row["idx"] for row in rows], "two stretches are not the whole")
    return len(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the bartizan binary")
    parser.add_argument("--dir", required=True, help="a state folder, or a copy of a ledger")
    arguments = parser.parse_args()
    n_rows = same_rows(arguments.bin, arguments.dir)
    print(f"{n_rows} rows, the same in Parquet as in JSON Lines; DuckDB {duckdb.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
