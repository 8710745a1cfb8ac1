//! A table that another version of the program made: what may be written all the same, and what is added first.
//!
//! Columns are only ever added, and only ones that may be empty. So an older worker goes on writing its own columns into a
//! table that has more, and a newer one adds what is missing in one commit of the table's metadata before it writes.

use deltalake::kernel::{StructField, StructType};
use tournee_lake::Table;

use crate::error::IngestError;

/// Columns that this program writes and the table has not, to be added before anything is written.
///
/// # Errors
/// [`IngestError::Schema`] when the table cannot be written even so: a column has another type, must not be empty where ours
/// may be, or is unknown here and must not be empty; or the partitions differ.
pub(crate) fn missing_columns(
    table: Table,
    wanted: &StructType,
    found: &StructType,
    found_partitions: &[String],
) -> Result<Vec<StructField>, IngestError> {
    let refuse = |column: &str, reason: String| {
        Err(IngestError::Schema { table: table.name(), column: column.to_owned(), reason })
    };
    if found_partitions.iter().map(String::as_str).ne(table.partition_columns().iter().copied()) {
        return refuse(&found_partitions.join(", "), "the table is partitioned otherwise".to_owned());
    }
    let mut missing = Vec::new();
    for field in wanted.fields() {
        match found.field(field.name()) {
            Some(there) if there.data_type() != field.data_type() => {
                let reason = format!("it is {} there and {} here", there.data_type(), field.data_type());
                return refuse(field.name(), reason);
            }
            Some(there) if field.is_nullable() && !there.is_nullable() => {
                return refuse(field.name(), "it must not be empty there, and may be here".to_owned());
            }
            Some(_) => {}
            None if field.is_nullable() => missing.push(field.clone()),
            None => return refuse(field.name(), "it is missing, and must not be empty".to_owned()),
        }
    }
    let unknown = |field: &&StructField| wanted.field(field.name()).is_none() && !field.is_nullable();
    if let Some(field) = found.fields().find(unknown) {
        return refuse(field.name(), "this version does not know it, and it must not be empty".to_owned());
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use deltalake::kernel::DataType;
    use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;

    use super::*;

    fn wanted() -> StructType {
        let schema = Table::Road.schema();
        schema.as_ref().try_into_kernel().unwrap()
    }

    fn with(change: impl Fn(&StructField) -> Option<StructField>) -> StructType {
        StructType::try_new(wanted().fields().filter_map(change)).unwrap()
    }

    fn check(found: &StructType) -> Result<Vec<String>, IngestError> {
        let missing = missing_columns(Table::Road, &wanted(), found, &["date".to_owned()])?;
        Ok(missing.into_iter().map(|field| field.name().to_owned()).collect())
    }

    #[test]
    fn what_is_added_and_what_is_refused() {
        assert!(check(&wanted()).unwrap().is_empty());
        let without = |name: &'static str| with(move |field| (field.name() != name).then(|| field.clone()));
        assert_eq!(check(&without("ppe_m2ps4")).unwrap(), ["ppe_m2ps4"]);
        let tomorrow = |nullable| {
            let more = StructField::new("tomorrow", DataType::LONG, nullable);
            StructType::try_new(wanted().fields().cloned().chain([more])).unwrap()
        };
        assert!(check(&tomorrow(true)).unwrap().is_empty());
        let other = |name: &'static str, data_type: DataType, nullable| {
            with(move |field| {
                Some(match field.name() == name {
                    true => StructField::new(name, data_type.clone(), nullable),
                    false => field.clone(),
                })
            })
        };
        for (found, word) in [
            (without("epoch"), "must not be empty"),
            (tomorrow(false), "does not know it"),
            (other("samples", DataType::STRING, true), "here"),
            (other("samples", DataType::LONG, false), "may be here"),
        ] {
            let error = check(&found).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("road") && error.lines().count() == 1, "{error}");
        }
        assert!(missing_columns(Table::Road, &wanted(), &wanted(), &[]).is_err());
    }
}
