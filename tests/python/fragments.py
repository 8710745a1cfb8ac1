"""How many files of a table a reader opens for a box of coordinates, going by the statistics in the log.

Usage: fragments.py TABLE_DIR LAT_MIN LAT_MAX LON_MIN LON_MAX [T_MIN]. Prints {"files": n, "opened": n, "rows": n}.
"""

import os
import datetime
import decimal
import json
import sys

import pyarrow.dataset as ds
from deltalake import DeltaTable


def main() -> None:
    south, north, west, east = (decimal.Decimal(text) for text in sys.argv[2:6])
    dataset = DeltaTable(sys.argv[1]).to_pyarrow_dataset()
    lat, lon = ds.field("lat_deg"), ds.field("lon_deg")
    wanted = (lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)
    if len(sys.argv) > 6:
        wanted &= ds.field("t") >= datetime.datetime.fromisoformat(sys.argv[6])
    print(
        json.dumps(
            {
                "files": len(list(dataset.get_fragments())),
                "opened": len(list(dataset.get_fragments(filter=wanted))),
                "rows": dataset.count_rows(filter=wanted),
            }
        )
    )


if __name__ == "__main__":
    main()
    # A reader's threads may outlive the interpreter, and abort it ("terminate called"), after everything was said.
    sys.stdout.flush()
    os._exit(0)
