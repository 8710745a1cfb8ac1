//! SQL functions of our own, beside those of DataFusion and geodatafusion.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;
use h3o::{CellIndex, LatLng, Resolution};

/// Registers every function of this module.
pub(crate) fn register(ctx: &SessionContext) {
    ctx.register_udf(ScalarUDF::from(H3Cell(Signature::user_defined(Volatility::Immutable))));
    ctx.register_udf(ScalarUDF::from(H3Text(Signature::user_defined(Volatility::Immutable))));
}

/// The H3 cell of a position as the integer that the lake stores; none outside the globe or the resolutions 0 to 15.
pub(crate) fn cell(lat_deg: f64, lon_deg: f64, resolution: i64) -> Option<i64> {
    if !(-90.0..=90.0).contains(&lat_deg) || !(-180.0..=180.0).contains(&lon_deg) {
        return None;
    }
    let resolution = Resolution::try_from(u8::try_from(resolution).ok()?).ok()?;
    let position = LatLng::new(lat_deg, lon_deg).ok()?;
    i64::try_from(u64::from(position.to_cell(resolution))).ok()
}

/// `h3_cell(lat_deg, lon_deg, resolution)`: BIGINT.
#[derive(Debug, PartialEq, Eq, Hash)]
struct H3Cell(Signature);

impl ScalarUDFImpl for H3Cell {
    fn name(&self) -> &str {
        "h3_cell"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() != 3 {
            return Err(DataFusionError::Plan(format!(
                "h3_cell takes (lat_deg, lon_deg, resolution), {} arguments were given",
                given.len()
            )));
        }
        Ok(vec![DataType::Float64, DataType::Float64, DataType::Int64])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [lat, lon, resolution] = arrays.as_slice() else {
            return Err(DataFusionError::Internal("h3_cell: three arguments".into()));
        };
        let lat = lat.as_primitive::<Float64Type>();
        let lon = lon.as_primitive::<Float64Type>();
        let resolution = resolution.as_primitive::<Int64Type>();
        let cells: Int64Array = lat
            .iter()
            .zip(lon.iter())
            .zip(resolution.iter())
            .map(|((lat, lon), resolution)| cell(lat?, lon?, resolution?))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(cells)))
    }
}

/// `h3_text(cell)`: the usual hexadecimal name of a cell.
#[derive(Debug, PartialEq, Eq, Hash)]
struct H3Text(Signature);

impl ScalarUDFImpl for H3Text {
    fn name(&self) -> &str {
        "h3_text"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() != 1 {
            return Err(DataFusionError::Plan(format!("h3_text takes (cell), {} arguments were given", given.len())));
        }
        Ok(vec![DataType::Int64])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [cells] = arrays.as_slice() else {
            return Err(DataFusionError::Internal("h3_text: one argument".into()));
        };
        let texts: StringArray = cells
            .as_primitive::<Int64Type>()
            .iter()
            .map(|bits| {
                let cell = CellIndex::try_from(u64::try_from(bits?).ok()?).ok()?;
                Some(cell.to_string())
            })
            .collect();
        debug_assert_eq!(texts.len(), cells.len());
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the H3 documentation (h3-js README).
    #[test]
    fn the_documented_cell() {
        let bits = cell(37.361_559_3, -122.055_323_8, 7).unwrap();
        assert_eq!(CellIndex::try_from(bits as u64).unwrap().to_string(), "87283472bffffff");
    }

    #[test]
    fn nonsense_has_no_cell() {
        assert_eq!(cell(f64::NAN, 0.0, 7), None);
        assert_eq!(cell(0.0, 181.0, 7), None);
        assert_eq!(cell(0.0, 0.0, 16), None);
        assert_eq!(cell(0.0, 0.0, -1), None);
    }
}
