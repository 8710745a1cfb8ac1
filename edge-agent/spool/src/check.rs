//! What must hold between the tables. SQLite checks its pages; a page that was lost and an older one in its place, or a
//! number that rotted, only shows here.

use rusqlite::Connection;
use tournee_payload::Stream;

use crate::store;

/// What is wrong with the books of the file, if anything is.
pub(crate) fn wrong(connection: &Connection) -> rusqlite::Result<Option<String>> {
    for stream in Stream::ALL {
        let state = store::load_state(connection, stream)?;
        let found = |what: &str| Some(format!("stream {}: {what}", stream.name()));
        if state.acked_seq > state.open_seq || state.offered_seq > state.open_seq {
            return Ok(found("offered or acknowledged beyond its end"));
        }
        let mut at = 0;
        let mut stored = 0_u64;
        for (first_seq, end_seq) in store::spans(connection, stream)? {
            if first_seq < at || end_seq <= first_seq || end_seq > state.open_seq {
                return Ok(found("batches overlap or reach beyond its end"));
            }
            at = end_seq;
            stored = stored.saturating_add(end_seq - first_seq);
        }
        // Rows of a gap batch that rotted are replaced by a count that is only bounded, so there it proves nothing.
        let accounted = stored.saturating_add(state.acked).saturating_add(state.shed);
        if stream != Stream::Gap && accounted != state.open_seq {
            return Ok(found("stored, acknowledged and given up are not what was generated"));
        }
    }
    Ok(None)
}
