//! Values of Arrow arrays as cells, as JSON, and their types as features of the `datasets` library.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::error::{PreviewError, PreviewResult};
use crate::moment;
use crate::table::Cell;

/// Structures inside of structures that are followed. Real data has under 10.
const DEPTH_MAX: usize = 32;
/// Values of one list that are shown; the rest is said to be cut.
const LIST_ITEMS_MAX: usize = 10_000;
const DAY_MICROS: i64 = 86_400_000_000;

/// Shows every cell of an array.
pub fn visit(array: &dyn Array, visit: &mut dyn FnMut(usize, Cell<'_>)) {
    macro_rules! each {
        ($typed:expr, $row:ident => $cell:expr) => {{
            let typed = $typed;
            for $row in 0..array.len() {
                let cell = if array.is_null($row) { Cell::Null } else { $cell(&typed, $row) };
                visit($row, cell);
            }
        }};
    }
    macro_rules! number {
        ($kind:ty, $cell:expr) => {
            each!(array.as_primitive::<$kind>(), row => |typed: &&arrow_array::PrimitiveArray<$kind>, row: usize| $cell(typed.value(row)))
        };
    }
    let float = |number: f64| Cell::Float(number);
    match array.data_type() {
        DataType::Boolean => {
            each!(array.as_boolean(), row => |typed: &&arrow_array::BooleanArray, row: usize| Cell::Bool(typed.value(row)))
        }
        DataType::Int8 => number!(Int8Type, |n: i8| Cell::Int(n.into())),
        DataType::Int16 => number!(Int16Type, |n: i16| Cell::Int(n.into())),
        DataType::Int32 => number!(Int32Type, |n: i32| Cell::Int(n.into())),
        DataType::Int64 => number!(Int64Type, |n: i64| Cell::Int(n.into())),
        DataType::UInt8 => number!(UInt8Type, |n: u8| Cell::Int(n.into())),
        DataType::UInt16 => number!(UInt16Type, |n: u16| Cell::Int(n.into())),
        DataType::UInt32 => number!(UInt32Type, |n: u32| Cell::Int(n.into())),
        DataType::UInt64 => number!(UInt64Type, |n: u64| Cell::Int(n.into())),
        DataType::Float16 => {
            each!(array.as_primitive::<Float16Type>(), row => |typed: &&arrow_array::Float16Array, row: usize| float(typed.value(row).to_f64()))
        }
        DataType::Float32 => number!(Float32Type, |n: f32| float(n.into())),
        DataType::Float64 => number!(Float64Type, float),
        DataType::Utf8 => {
            each!(array.as_string::<i32>(), row => text_i32)
        }
        DataType::LargeUtf8 => {
            each!(array.as_string::<i64>(), row => text_i64)
        }
        DataType::Utf8View => {
            each!(array.as_string_view(), row => text_view)
        }
        DataType::Date32 => number!(Date32Type, |n: i32| Cell::Time(i64::from(n) * DAY_MICROS)),
        DataType::Date64 => number!(Date64Type, |n: i64| Cell::Time(n.saturating_mul(1_000))),
        DataType::Timestamp(TimeUnit::Second, _) => {
            number!(TimestampSecondType, |n: i64| Cell::Time(n.saturating_mul(1_000_000)))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            number!(TimestampMillisecondType, |n: i64| Cell::Time(n.saturating_mul(1_000)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => number!(TimestampMicrosecondType, Cell::Time),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            number!(TimestampNanosecondType, |n: i64| Cell::Time(n.div_euclid(1_000)))
        }
        _ => (0..array.len()).for_each(|row| visit(row, cell(array, row))),
    }
}

fn text_i32<'a>(array: &'a &arrow_array::StringArray, row: usize) -> Cell<'a> {
    Cell::Text(array.value(row))
}

fn text_i64<'a>(array: &'a &arrow_array::LargeStringArray, row: usize) -> Cell<'a> {
    Cell::Text(array.value(row))
}

fn text_view<'a>(array: &'a &arrow_array::StringViewArray, row: usize) -> Cell<'a> {
    Cell::Text(array.value(row))
}

/// Returns the cell of the rarer types.
fn cell(array: &dyn Array, row: usize) -> Cell<'_> {
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Null => Cell::Null,
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Cell::Bytes(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => Cell::Bytes(array.as_fixed_size_binary().value(row)),
        DataType::List(_) => Cell::List(array.as_list::<i32>().value_length(row).max(0).unsigned_abs() as usize),
        DataType::LargeList(_) => {
            Cell::List(usize::try_from(array.as_list::<i64>().value_length(row)).unwrap_or_default())
        }
        DataType::FixedSizeList(_, length) => Cell::List(length.unsigned_abs() as usize),
        DataType::Decimal128(_, scale) => {
            let number = array.as_primitive::<Decimal128Type>().value(row);
            Cell::Float(number as f64 / 10f64.powi(i32::from(*scale)))
        }
        DataType::Dictionary(_, _) => match dictionary(array, row) {
            Some((values, index)) => match values.data_type() {
                DataType::Utf8 => Cell::Text(values.as_string::<i32>().value(index)),
                DataType::LargeUtf8 => Cell::Text(values.as_string::<i64>().value(index)),
                _ => Cell::Other,
            },
            None => Cell::Null,
        },
        _ => Cell::Other,
    }
}

/// Returns the bytes of a cell: of a binary column, or of the `bytes` in a picture's or sound's structure.
pub fn bytes(array: &dyn Array, row: usize) -> Option<&[u8]> {
    if let DataType::Struct(_) = array.data_type() {
        let typed = array.as_struct();
        return typed.is_valid(row).then(|| bytes(typed.column_by_name("bytes")?.as_ref(), row))?;
    }
    match cell(array, row) {
        Cell::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// Returns the values of a dictionary, and which of them stands in a row.
fn dictionary(array: &dyn Array, row: usize) -> Option<(&ArrayRef, usize)> {
    fn of<K: ArrowDictionaryKeyType>(array: &dyn Array, row: usize) -> Option<(&ArrayRef, usize)> {
        let typed = array.as_dictionary::<K>();
        let index = typed.key(row)?;
        (index < typed.values().len() && !typed.values().is_null(index)).then(|| (typed.values(), index))
    }
    let DataType::Dictionary(key, _) = array.data_type() else { return None };
    match **key {
        DataType::Int8 => of::<Int8Type>(array, row),
        DataType::Int16 => of::<Int16Type>(array, row),
        DataType::Int32 => of::<Int32Type>(array, row),
        DataType::Int64 => of::<Int64Type>(array, row),
        DataType::UInt8 => of::<UInt8Type>(array, row),
        DataType::UInt16 => of::<UInt16Type>(array, row),
        DataType::UInt32 => of::<UInt32Type>(array, row),
        DataType::UInt64 => of::<UInt64Type>(array, row),
        _ => None,
    }
}

/// Returns a value as JSON: moments as ISO 8601, bytes as base64, decimals as text.
///
/// # Errors
/// When structures are nested deeper than anything honest.
pub fn to_json(array: &dyn Array, row: usize, depth: usize) -> PreviewResult<Value> {
    if depth > DEPTH_MAX {
        return Err(PreviewError::too_large("its values are nested too deeply"));
    }
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let list = |items: ArrayRef| -> PreviewResult<Value> {
        let shown = items.len().min(LIST_ITEMS_MAX);
        (0..shown)
            .map(|item| to_json(items.as_ref(), item, depth + 1))
            .collect::<PreviewResult<Vec<_>>>()
            .map(Value::Array)
    };
    Ok(match array.data_type() {
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => shortest(array.as_primitive::<Float32Type>().value(row)),
        DataType::Date32 => moment::day(array.as_primitive::<Date32Type>().value(row).into()).into(),
        DataType::Date64 => moment::day(array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)).into(),
        DataType::Time32(TimeUnit::Second) => {
            moment::clock(i64::from(array.as_primitive::<Time32SecondType>().value(row)) * 1_000_000).into()
        }
        DataType::Time32(_) => {
            moment::clock(i64::from(array.as_primitive::<Time32MillisecondType>().value(row)) * 1_000).into()
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            moment::clock(array.as_primitive::<Time64MicrosecondType>().value(row)).into()
        }
        DataType::Time64(_) => moment::clock(array.as_primitive::<Time64NanosecondType>().value(row) / 1_000).into(),
        DataType::Duration(unit) => {
            let (count, micros) = match unit {
                TimeUnit::Second => (array.as_primitive::<DurationSecondType>().value(row), 1_000_000),
                TimeUnit::Millisecond => (array.as_primitive::<DurationMillisecondType>().value(row), 1_000),
                TimeUnit::Microsecond => (array.as_primitive::<DurationMicrosecondType>().value(row), 1),
                TimeUnit::Nanosecond => {
                    (array.as_primitive::<DurationNanosecondType>().value(row).div_euclid(1_000), 1)
                }
            };
            moment::duration(i128::from(count) * micros).into()
        }
        DataType::Timestamp(unit, zone) => {
            let mut text = String::new();
            let zone = zone.as_deref();
            let offset_micros = zone.and_then(moment::offset_secs).unwrap_or(0) * 1_000_000;
            visit(array.slice(row, 1).as_ref(), &mut |_, cell| {
                let Cell::Time(micros) = cell else { return };
                text = moment::moment(micros.saturating_add(offset_micros));
            });
            if *unit == TimeUnit::Nanosecond {
                let nanos = array.as_primitive::<TimestampNanosecondType>().value(row).rem_euclid(1_000_000_000);
                if nanos % 1_000 != 0 {
                    text.truncate(text.find('.').unwrap_or(text.len()));
                    text.push_str(&format!(".{nanos:09}"));
                }
            }
            text.push_str(&zone.map_or_else(String::new, moment::offset_shown));
            text.into()
        }
        DataType::Decimal128(_, _) => array.as_primitive::<Decimal128Type>().value_as_string(row).into(),
        DataType::Decimal256(_, _) => array.as_primitive::<Decimal256Type>().value_as_string(row).into(),
        DataType::List(_) => list(array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(_, _) => list(array.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let typed = array.as_struct();
            let mut object = Map::new();
            for (field, column) in fields.iter().zip(typed.columns()) {
                object.insert(field.name().clone(), to_json(column.as_ref(), row, depth + 1)?);
            }
            Value::Object(object)
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut pairs = Vec::new();
            for item in 0..entries.len().min(LIST_ITEMS_MAX) {
                pairs.push(json!({
                    "key": to_json(keys.as_ref(), item, depth + 1)?,
                    "value": to_json(values.as_ref(), item, depth + 1)?,
                }));
            }
            Value::Array(pairs)
        }
        DataType::Dictionary(_, _) => match dictionary(array, row) {
            Some((values, index)) => to_json(values.as_ref(), index, depth + 1)?,
            None => Value::Null,
        },
        _ => {
            let mut found = Value::Null;
            let one = array.slice(row, 1);
            visit(one.as_ref(), &mut |_, cell| found = plain(cell));
            found
        }
    })
}

/// Returns a number of 32 bits with the digits that it was written with.
fn shortest(number: f32) -> Value {
    number.to_string().parse::<f64>().ok().filter(|number| number.is_finite()).map_or(Value::Null, Value::from)
}

/// Returns a whole number of 64 bits, with a sign or without; a longer one as a fraction.
pub fn whole(number: i128) -> Value {
    let signed = i64::try_from(number).map(Value::from);
    signed.or_else(|_| u64::try_from(number).map(Value::from)).unwrap_or_else(|_| (number as f64).into())
}

fn plain(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null | Cell::List(_) | Cell::Other => Value::Null,
        Cell::Bool(is) => is.into(),
        Cell::Int(number) => whole(number),
        // Not a number and infinity have no place in JSON.
        Cell::Float(number) => number.into(),
        Cell::Text(text) => text.into(),
        Cell::Time(micros) => moment::moment(micros).into(),
        Cell::Bytes(bytes) => STANDARD.encode(bytes).into(),
    }
}

/// Returns a type as a feature.
///
/// # Errors
/// When structures are nested deeper than anything honest.
pub fn feature_of(kind: &DataType, depth: usize) -> PreviewResult<Value> {
    if depth > DEPTH_MAX {
        return Err(PreviewError::too_large("its types are nested too deeply"));
    }
    let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    Ok(match kind {
        DataType::Null => value("null"),
        DataType::Boolean => value("bool"),
        DataType::Utf8 => value("string"),
        DataType::LargeUtf8 => value("large_string"),
        DataType::Utf8View => value("string_view"),
        DataType::Binary | DataType::FixedSizeBinary(_) => value("binary"),
        DataType::LargeBinary => value("large_binary"),
        DataType::BinaryView => value("binary_view"),
        DataType::Date32 => value("date32"),
        DataType::Date64 => value("date64"),
        DataType::Time32(one) => value(&format!("time32[{}]", unit(one))),
        DataType::Time64(one) => value(&format!("time64[{}]", unit(one))),
        DataType::Duration(one) => value(&format!("duration[{}]", unit(one))),
        DataType::Timestamp(one, None) => value(&format!("timestamp[{}]", unit(one))),
        DataType::Timestamp(one, Some(zone)) => value(&format!("timestamp[{}, tz={zone}]", unit(one))),
        DataType::Decimal128(precision, scale) => value(&format!("decimal128({precision}, {scale})")),
        DataType::Decimal256(precision, scale) => value(&format!("decimal256({precision}, {scale})")),
        DataType::List(item) => json!({ "feature": feature_of(item.data_type(), depth + 1)?, "_type": "List" }),
        DataType::LargeList(item) => {
            json!({ "feature": feature_of(item.data_type(), depth + 1)?, "_type": "LargeList" })
        }
        DataType::FixedSizeList(item, length) => {
            json!({ "feature": feature_of(item.data_type(), depth + 1)?, "length": length, "_type": "List" })
        }
        DataType::Struct(fields) => {
            let mut object = Map::new();
            for field in fields {
                object.insert(field.name().clone(), feature_of(field.data_type(), depth + 1)?);
            }
            Value::Object(object)
        }
        DataType::Map(entries, _) => {
            json!({ "feature": feature_of(entries.data_type(), depth + 1)?, "_type": "List" })
        }
        DataType::Dictionary(_, of) => feature_of(of, depth + 1)?,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64 => value(&format!("{kind:?}").to_lowercase()),
        other => value(&format!("{other}").chars().take(60).collect::<String>()),
    })
}
