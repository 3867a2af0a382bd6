//! What a file of weights says of itself: figures, and a table of its tensors.

use maud::{Markup, html};

use super::list::id;
use crate::locale::{Locale, key};

/// A tensor.
#[derive(Debug, Clone)]
pub struct TensorRow {
    /// Its name.
    pub name: String,
    /// Type of its numbers.
    pub dtype: String,
    /// Length of each dimension.
    pub shape: Vec<u64>,
}

/// What the header of a file of weights says.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    /// Numbers in all tensors.
    pub parameters: Option<u64>,
    /// Numbers of each type.
    pub by_dtype: Vec<(String, u64)>,
    /// The architecture.
    pub architecture: Option<String>,
    /// Tokens that the model attends to.
    pub context: Option<u64>,
    /// The quantisation.
    pub quantisation: Option<String>,
    /// How many tensors there are.
    pub tensor_count: u64,
    /// The first of them, by name, or as they stand in the file.
    pub tensors: Vec<TensorRow>,
    /// Other things that it says: name and value.
    pub said: Vec<(String, String)>,
}

/// Tensors, and other things said, that a page lists.
pub const WEIGHTS_ROWS_MAX: usize = 300;

pub(crate) fn weights(l: &Locale, page: &Weights) -> Markup {
    html! {
        dl {
            @if let Some(parameters) = page.parameters { dt { (l.t(key::PARAMETERS)) } dd { (l.number(parameters)) } }
            @for (dtype, count) in &page.by_dtype { dt { (id(dtype)) } dd { (l.number(*count)) } }
            @if let Some(architecture) = &page.architecture { dt { (l.t(key::ARCHITECTURE)) } dd { (id(architecture)) } }
            @if let Some(context) = page.context { dt { (l.t(key::CONTEXT)) } dd { (l.number(context)) } }
            @if let Some(quantisation) = &page.quantisation { dt { (l.t(key::QUANTISATION)) } dd { (id(quantisation)) } }
            dt { (l.t(key::TENSORS)) } dd { (l.number(page.tensor_count)) }
        }
        @if !page.said.is_empty() {
            div.wide tabindex="0" {
                table {
                    thead { tr { th scope="col" { (l.t(key::NAME)) } th scope="col" { (l.t(key::VALUES)) } } }
                    tbody { @for (name, value) in &page.said { tr { td { (id(name)) } td dir="auto" { (crate::shown(value)) } } } }
                }
            }
        }
        @if !page.tensors.is_empty() {
            div.wide tabindex="0" {
                table {
                    thead { tr { th scope="col" { (l.t(key::TENSORS)) } th scope="col" { (l.t(key::TYPE)) } th scope="col" { (l.t(key::SHAPE)) } } }
                    tbody {
                        @for tensor in &page.tensors {
                            @let shape = tensor.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
                            tr { td { (id(&tensor.name)) } td { (id(&tensor.dtype)) } td { (id(&shape)) } }
                        }
                    }
                }
            }
            @if (page.tensors.len() as u64) < page.tensor_count { p.soft { (l.t(key::MORE_NOT_SHOWN)) } }
        }
    }
}
