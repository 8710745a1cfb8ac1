"""Reads every Delta table below a data folder again and again with readers that are not ours, until a file appears.

Usage: watch_tables.py DATA_DIR STOP_FILE. Each look opens the newest version of a table, and now and then the version before it. A
version is consistent when every file that it names is there, when Delta's reader and DuckDB count the same rows, and when no
key is there twice; from one look to the next no rows may vanish. Prints one JSON object with what was seen; exit status 1 when
something was wrong.
"""

import os
import json
import pathlib
import sys

import duckdb
from deltalake import DeltaTable


def look(table: DeltaTable) -> tuple[int, int, int]:
    """Rows as Delta's reader counts them, rows and distinct keys as DuckDB does."""
    files = table.file_uris()
    if not files:
        return 0, 0, 0
    rows = table.to_pyarrow_dataset().count_rows()
    duck, keys = duckdb.execute(
        "SELECT count(*), count(DISTINCT (box_id, epoch, seq)) FROM read_parquet(?, union_by_name = true)", [files]
    ).fetchone()
    return rows, duck, keys


def main() -> int:
    root, stop = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    looks, versions, most_files, errors = 0, {}, {}, []
    before: dict[str, int] = {}
    last = False
    # One whole round after the end, too.
    while not last and len(errors) < 20:
        last = stop.exists()
        for log in sorted(root.glob("lake/*/_delta_log")):
            name = log.parent.name
            if name == "quarantine":
                continue
            try:
                table = DeltaTable(str(log.parent))
                version = table.version()
                seen = [(version, table)]
                if looks % 5 == 0 and version > 1:
                    seen.append((version - 1, DeltaTable(str(log.parent), version=version - 1)))
                for number, opened in seen:
                    rows, duck, keys = look(opened)
                    if not rows == duck == keys:
                        errors.append(f"{name} version {number}: {rows} rows, DuckDB {duck} rows, {keys} keys")
                    if number == version:
                        if rows < before.get(name, 0):
                            errors.append(f"{name} version {number}: {rows} rows, {before[name]} before")
                        before[name] = max(rows, before.get(name, 0))
                versions.setdefault(name, set()).add(version)
                most_files[name] = max(most_files.get(name, 0), len(table.file_uris()))
                looks += 1
            except Exception as error:  # whatever a reader says is what its user sees
                # A table whose first entry is being written is not a table yet.
                if name in before or "log" not in str(error).lower():
                    errors.append(f"{name}: {type(error).__name__}: {error}")
    print(
        json.dumps(
            {
                "looks": looks,
                "versions": {name: len(seen) for name, seen in versions.items()},
                "most_files": most_files,
                "rows": before,
                "errors": errors,
            }
        )
    )
    return 1 if errors else 0


if __name__ == "__main__":
    status = main()
    # A reader's threads may outlive the interpreter, and abort it ("terminate called"), after everything was said.
    sys.stdout.flush()
    os._exit(status)
