//! Wrong statements are answered with what is wrong, where, and the nearest right names.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::prelude::SessionContext;
use tournee_query::{Format, Limits, SqlError, SqlErrorKind, render, runtime, session, sql};

fn with_tables<T>(check: impl AsyncFnOnce(SessionContext) -> T) -> T {
    let dir = tempfile::tempdir().unwrap();
    runtime().unwrap().block_on(async {
        let ctx = session(dir.path()).await.unwrap();
        register(&ctx, "air", &["box_id", "seq", "lat_deg", "lon_deg", "pm25_ugm3", "pm10_ugm3", "no2_ugm3"]);
        register(&ctx, "road", &["box_id", "seq", "lat_deg", "lon_deg", "rough_mps2", "length_m"]);
        register(&ctx, "road_event", &["box_id", "seq", "kind"]);
        check(ctx).await
    })
}

fn register(ctx: &SessionContext, name: &str, columns: &[&str]) {
    let fields: Vec<Field> = columns
        .iter()
        .map(|&column| match column {
            "box_id" => Field::new(column, DataType::Utf8, true),
            "seq" | "kind" => Field::new(column, DataType::Int64, true),
            _ => Field::new(column, DataType::Decimal128(9, 2), true),
        })
        .collect();
    let arrays: Vec<ArrayRef> = fields
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 => Arc::new(StringArray::from(vec!["box-1", "box-2"])) as ArrayRef,
            DataType::Int64 => Arc::new(Int64Array::from(vec![1, 2])),
            _ => Arc::new(Decimal128Array::from(vec![Some(4_765), None]).with_precision_and_scale(9, 2).unwrap()),
        })
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    ctx.register_batch(name, batch).unwrap();
}

async fn wrong(ctx: &SessionContext, text: &str) -> SqlError {
    sql(ctx, text, Limits::default()).await.expect_err(text)
}

/// (statement, kind, first line begins with, (line, column), nearest begins with)
type Case = (&'static str, SqlErrorKind, &'static str, Option<(usize, usize)>, &'static [&'static str]);

#[test]
fn each_mistake_is_explained_at_its_place() {
    use SqlErrorKind::{Invalid, Refused, Syntax, UnknownName};
    let cases: &[Case] = &[
        ("SELECT pm2_5 FROM air", UnknownName, "no column \"pm2_5\" in \"air\"", Some((1, 8)), &["pm25_ugm3"]),
        ("SELECT a.pm2_5 FROM air a", UnknownName, "no column \"pm2_5\" in \"a\"", Some((1, 8)), &["pm25_ugm3"]),
        ("SELECT box_id,\n       NO2\nFROM air", UnknownName, "no column \"no2\"", Some((2, 8)), &["no2_ugm3"]),
        (
            "SELECT count(*) FROM air WHERE latitude > 47",
            UnknownName,
            "no column \"latitude\"",
            Some((1, 32)),
            &["lat_deg"],
        ),
        ("SELECT box_id, avg(pm25) FROM air GROUP BY box", UnknownName, "no column", None, &[]),
        ("SELECT 'pm2_5' AS x, pm2_5 FROM air", UnknownName, "no column \"pm2_5\"", Some((1, 22)), &["pm25_ugm3"]),
        ("SELECT 1 FROM air ORDER BY pm25", UnknownName, "no column \"pm25\"", Some((1, 28)), &["pm25_ugm3"]),
        (
            "SELECT rough FROM air JOIN road USING (box_id)",
            UnknownName,
            "no column \"rough\" in \"air\" or \"road\"",
            Some((1, 8)),
            &["rough_mps2"],
        ),
        (
            "SELECT rough_mps2 FROM air",
            UnknownName,
            "no column \"rough_mps2\" in \"air\"",
            Some((1, 8)),
            &["road.rough_mps2"],
        ),
        ("SELECT b.seq FROM air a", UnknownName, "no table \"b\" in this query", Some((1, 8)), &[]),
        ("SELECT * FROM aire", UnknownName, "no table \"aire\"", Some((1, 15)), &["air"]),
        ("SELECT * FROM air JOIN raod ON true", UnknownName, "no table \"raod\"", Some((1, 24)), &["road"]),
        ("SELECT * FROM zzzz", UnknownName, "no table \"zzzz\"", Some((1, 15)), &[]),
        ("DESCRIBE rode", UnknownName, "no table \"rode\"", Some((1, 10)), &["road"]),
        ("SELECT averag(seq) FROM air", UnknownName, "no function \"averag\"", Some((1, 8)), &["avg"]),
        ("SELECT st_distanc(1, 2)", UnknownName, "no function \"st_distanc\"", Some((1, 8)), &["st_distance"]),
        ("SELECT * FROM air WHERE box_id = \"box-1\"", UnknownName, "no column \"box-1\"", Some((1, 34)), &[]),
        ("SELECT seq FROM air, road", Invalid, "column \"seq\" is in several tables", Some((1, 8)), &[]),
        ("SELEC * FROM air", Syntax, "syntax: ", Some((1, 1)), &[]),
        ("SELECT * FROM", Syntax, "syntax: ", None, &[]),
        ("SELECT * FORM air", Syntax, "syntax: ", None, &[]),
        ("SELECT (1 + 2 FROM air", Syntax, "syntax: ", Some((1, 15)), &[]),
        ("SELECT 1; SELECT 2", Invalid, "", None, &[]),
        ("", Syntax, "", None, &[]),
        ("SELECT 'open FROM air", Syntax, "syntax: ", None, &[]),
        ("SELECT box_id, avg(pm25_ugm3) FROM air", Invalid, "", None, &[]),
        ("SELECT sum(box_id) FROM air", Invalid, "", None, &[]),
        ("SELECT h3_cell(1, 2) FROM air", Invalid, "", None, &[]),
        ("INSERT INTO air SELECT * FROM air", Refused, "INSERT INTO is refused", None, &[]),
        ("DELETE FROM air", Refused, "DELETE FROM is refused", None, &[]),
        ("UPDATE air SET seq = 1", Refused, "UPDATE", None, &[]),
        ("DROP TABLE air", Refused, "DROP TABLE is refused", None, &[]),
        ("CREATE TABLE x AS SELECT 1", Refused, "CREATE TABLE is refused", None, &[]),
        ("CREATE VIEW x AS SELECT 1", Refused, "CREATE VIEW is refused", None, &[]),
        (
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
            Refused,
            "CREATE EXTERNAL TABLE is refused",
            None,
            &[],
        ),
        ("COPY air TO '/tmp/x.csv'", Refused, "COPY is refused", None, &[]),
        ("SET datafusion.execution.batch_size = 1", Refused, "SET", None, &[]),
        ("EXPLAIN ANALYZE DELETE FROM air", Refused, "DELETE FROM is refused", None, &[]),
        ("PREPARE p AS SELECT 1", Refused, "PREPARE", None, &[]),
        ("SELECT * FROM '/etc/passwd'", UnknownName, "no table", None, &[]),
    ];
    with_tables(async |ctx| {
        let mut wrongs = Vec::new();
        for (text, kind, begins, at, near) in cases {
            let error = wrong(&ctx, text).await;
            let shown = error.to_string();
            let place = error.position.map(|position| (position.line, position.column));
            let near_ok = near.iter().zip(&error.nearest).all(|(a, b)| a == b) && error.nearest.len() >= near.len();
            if error.kind != *kind || !shown.starts_with(begins) || (at.is_some() && place != *at) || !near_ok {
                wrongs.push(format!("{text}\n{:?}\n{shown}\n", error.kind));
            }
        }
        assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
    });
}

#[test]
fn the_block_shows_the_line_and_a_caret() {
    with_tables(async |ctx| {
        let error = wrong(&ctx, "SELECT box_id,\n\tpm2_5 FROM air").await;
        let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
        assert!(
            lines[0].starts_with("no column \"pm2_5\" in \"air\" (line 2, column 2); nearest: pm25_ugm3"),
            "{lines:?}"
        );
        assert_eq!(lines[1..], ["  \tpm2_5 FROM air", "  \t^^^^^"]);
    });
}

#[test]
fn a_wrong_string_in_double_quotes_is_told_apart() {
    with_tables(async |ctx| {
        let shown = wrong(&ctx, "SELECT * FROM air WHERE box_id = \"box-1\"").await.to_string();
        assert!(shown.contains("text is written in single quotes: 'box-1'"), "{shown}");
    });
}

#[test]
fn reading_statements_are_answered() {
    with_tables(async |ctx| {
        for (text, rows) in [
            ("SELECT box_id, lat_deg FROM air ORDER BY seq", 2),
            ("WITH x AS (SELECT * FROM air) SELECT count(*) FROM x", 1),
            ("SHOW TABLES", 0),
            ("DESCRIBE air", 7),
            ("SHOW COLUMNS FROM road", 6),
            ("EXPLAIN SELECT * FROM air", 0),
            ("SELECT h3_text(h3_cell(37.3615593, -122.0553238, 7)) AS cell", 1),
            ("SELECT st_astext(st_point(CAST(lon_deg AS DOUBLE), CAST(lat_deg AS DOUBLE))) FROM air", 2),
            ("SELECT 1;", 1),
        ] {
            let result = sql(&ctx, text, Limits::default()).await.unwrap_or_else(|error| panic!("{text}\n{error}"));
            assert!(rows == 0 || result.rows == rows, "{text}: {} rows", result.rows);
            for format in [Format::Table, Format::Csv, Format::Json] {
                let mut out = Vec::new();
                render(&result, format, &mut out).unwrap();
                assert!(!out.is_empty());
            }
        }
    });
}

#[test]
fn limits_hold() {
    with_tables(async |ctx| {
        let few = Limits { max_rows: 3, ..Limits::default() };
        let result = sql(&ctx, "SELECT value FROM generate_series(1, 100000)", few).await.unwrap();
        assert_eq!((result.rows, result.truncated), (3, true));
        let exact = sql(&ctx, "SELECT value FROM generate_series(1, 3)", few).await.unwrap();
        assert_eq!((exact.rows, exact.truncated), (3, false));
        let short = Limits { timeout: Duration::from_millis(50), ..Limits::default() };
        let endless = "SELECT count(*), sum(value) FROM generate_series(1, 1000000000000)";
        let error = sql(&ctx, endless, short).await.unwrap_err();
        assert_eq!(error.kind, SqlErrorKind::Timeout);
        let long = format!("SELECT {}", "1 + ".repeat(40_000));
        assert_eq!(wrong(&ctx, &long).await.kind, SqlErrorKind::Refused);
    });
}
