//! The checked arguments of one call.

use sha2::{Digest, Sha256};
use tidegate_core::value::Value;

use crate::{Parameters, value};

/// Arguments that were checked against the parameters of a query. Only [`Parameters`] makes them.
#[derive(Clone)]
pub struct Arguments {
    parameters: Parameters,
    values: Vec<Given>,
}

/// What was given for one parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// Nothing, and there is no default.
    Nothing,
    /// One value.
    One(Value),
    /// The items of a list.
    Many(Vec<Value>),
}

impl Arguments {
    pub(crate) fn new(parameters: Parameters, values: Vec<Given>) -> Self {
        Self { parameters, values }
    }

    /// The parameters they were checked against.
    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What was given, in the order of the parameters.
    pub(crate) fn values(&self) -> &[Given] {
        &self.values
    }

    /// A SHA-256 over the names and values; equal arguments of the same parameters have the same.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        // Every part has its length before it, so that no two lists of parts look alike.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        for (declared, given) in self.parameters.declared().iter().zip(&self.values) {
            part(declared.name.as_bytes());
            match given {
                Given::Nothing => part(b"nothing"),
                Given::One(one) => {
                    part(b"one");
                    part(value::write(one).to_string().as_bytes());
                }
                Given::Many(many) => {
                    part(b"many");
                    part(&(many.len() as u64).to_be_bytes());
                    many.iter().for_each(|one| part(value::write(one).to_string().as_bytes()));
                }
            }
        }
        hash.finalize().into()
    }
}

/// Without the values, which are data and do not belong into a log.
impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.parameters.declared().iter().map(|declared| &declared.name);
        f.debug_tuple("Arguments").field(&names.collect::<Vec<_>>()).finish()
    }
}
