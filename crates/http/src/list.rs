//! Pages of lists.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use tidegate_core::{
    Error, ErrorCode,
    ports::{Filter, MAX_PAGE, Page},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{Problem, json::with_nearest};

/// What part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those of this kind: of a source its engine, of a query its mode, of a key its role.
    pub kind: Option<String>,
    /// The most on one page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<usize>,
    /// Where to go on: the `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl ListQuery {
    /// The filter.
    pub fn filter(&self) -> Filter {
        Filter { tag: self.tag.clone(), label: self.kind.clone() }
    }

    /// The most on one page.
    pub fn limit(&self) -> Result<usize, Error> {
        page_limit(self.limit)
    }

    /// The id after which the page begins. A list is read in the caller's own tenant, so the cursor needs no seal.
    pub fn after(&self) -> Result<Option<Uuid>, Error> {
        self.cursor
            .as_deref()
            .map(|cursor| {
                Uuid::parse_str(cursor).map_err(|_| {
                    Error::new(ErrorCode::InvalidCursor, "this cursor is not one that a list gave; begin without one")
                })
            })
            .transpose()
    }
}

/// The most on one page, of what was asked for.
pub fn page_limit(wanted: Option<usize>) -> Result<usize, Error> {
    match wanted {
        None => Ok(50),
        Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        Some(_) => Err(Error::invalid_argument("limit", format!("`limit` must be from 1 to {MAX_PAGE}"))),
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T> {
    /// What is on the page, in the order of making.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// The page with each entity as callers see it.
    pub fn of<E>(page: Page<E>, view: impl Fn(&E) -> T) -> Self {
        Self {
            items: page.items.iter().map(|entity| view(entity)).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        }
    }
}

/// A query string that is read strictly: an unknown key is an error that names the nearest known one.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|rejection| {
            let text = rejection.body_text();
            // The extractor's own words and the key stand before the message, each with a colon behind it.
            let text = text.rsplit(": ").next().unwrap_or(&text);
            Problem(Error::new(ErrorCode::InvalidRequest, format!("in the query string: {}", with_nearest(text))))
        })
    }
}
