//! Revisions: what each save of a query left, and which of them runs.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Query, QuerySpec};
use crate::{id::SourceId, principal::Caller, result::Column};

/// How many of the newest revisions of a query are kept. The published one is kept however old it is.
pub const KEPT_REVISIONS: u64 = 50;

/// How far a revision was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Its source prepared the statement.
    Described,
    /// Its source could not be reached: the statement was compiled and parsed, no more.
    Parsed,
}

/// What one save of a query left. What its author wrote never changes; what its source said of it is renewed when it
/// is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Counts the saves of the query, from 1.
    pub number: u64,
    /// What its author wrote.
    pub spec: QuerySpec,
    /// Its source.
    pub source_id: SourceId,
    /// The columns of its result, when its source described them.
    pub columns: Option<Vec<Column>>,
    /// How far it was proved.
    pub proof: Proof,
    /// When it was saved.
    pub saved_at: DateTime<Utc>,
    /// Who saved it.
    pub saved_by: Caller,
    /// When it was published last; none when it never was.
    pub published_at: Option<DateTime<Utc>>,
}

/// Which revision of a query runs, and which one waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Never published: nothing runs.
    Draft(Arc<Revision>),
    /// The published revision runs.
    Published(Arc<Revision>),
    /// The published revision runs, and a draft that was saved after it waits.
    Both {
        /// What runs.
        published: Arc<Revision>,
        /// What waits. It is the newest revision.
        draft: Arc<Revision>,
    },
}

impl Query {
    /// The revision that runs; none when the query was never published.
    pub fn published(&self) -> Option<&Arc<Revision>> {
        match &self.stage {
            Stage::Draft(_) => None,
            Stage::Published(published) | Stage::Both { published, .. } => Some(published),
        }
    }

    /// The revision that waits to be published.
    pub fn draft(&self) -> Option<&Arc<Revision>> {
        match &self.stage {
            Stage::Draft(draft) | Stage::Both { draft, .. } => Some(draft),
            Stage::Published(_) => None,
        }
    }

    /// The revision that the query is listed and found by: the published one, or the draft before there is one.
    pub fn shown(&self) -> &Arc<Revision> {
        match &self.stage {
            Stage::Draft(shown) | Stage::Published(shown) | Stage::Both { published: shown, .. } => shown,
        }
    }

    /// The next version of the query, in which a newly saved revision waits and what runs stays.
    #[must_use]
    pub fn with_draft(&self, draft: Revision) -> Self {
        let (newest_revision, updated_at, draft) = (draft.number, draft.saved_at, Arc::new(draft));
        let stage = match self.published().cloned() {
            None => Stage::Draft(draft),
            Some(published) => Stage::Both { published, draft },
        };
        Self { stage, newest_revision, version: self.version + 1, updated_at, ..self.clone() }
    }

    /// The next version of the query, in which this revision, newly saved or an older one, runs from `now` on. A draft
    /// that was saved after it stays.
    #[must_use]
    pub fn with_published(&self, revision: Revision, now: DateTime<Utc>) -> Self {
        let published = Arc::new(Revision { published_at: Some(now), ..revision });
        let newest_revision = self.newest_revision.max(published.number);
        let stage = match self.draft().filter(|draft| draft.number > published.number).cloned() {
            None => Stage::Published(published),
            Some(draft) => Stage::Both { published, draft },
        };
        Self { stage, newest_revision, version: self.version + 1, updated_at: now, ..self.clone() }
    }

    /// The next version of the query, in which no draft waits; none when there is no draft, or nothing but one.
    pub fn without_draft(&self, now: DateTime<Utc>) -> Option<Self> {
        let Stage::Both { published, .. } = &self.stage else { return None };
        let stage = Stage::Published(Arc::clone(published));
        Some(Self { stage, version: self.version + 1, updated_at: now, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::{
        id::{ApiKeyId, QueryId, TenantId},
        ports::Entity,
    };

    fn revision(number: u64) -> Revision {
        let spec = serde_json::json!({
            "name": "late", "description": format!("{number}"), "source": "flights", "statement": "SELECT 1",
        });
        Revision {
            number,
            spec: serde_json::from_value(spec).unwrap(),
            source_id: SourceId::from_uuid(Uuid::from_u128(number.into())),
            columns: None,
            proof: Proof::Described,
            saved_at: moment(number),
            saved_by: Caller::ApiKey(ApiKeyId::from_uuid(Uuid::nil())),
            published_at: None,
        }
    }

    fn moment(seconds: u64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
    }

    fn query(stage: Stage) -> Query {
        Query {
            id: QueryId::from_uuid(Uuid::nil()),
            tenant: TenantId::from_uuid(Uuid::nil()),
            stage,
            newest_revision: 1,
            version: 1,
            created_at: moment(1),
            updated_at: moment(1),
        }
    }

    /// The numbers of what runs and of what waits.
    fn numbers(query: &Query) -> (Option<u64>, Option<u64>) {
        (query.published().map(|it| it.number), query.draft().map(|it| it.number))
    }

    #[test]
    fn a_draft_waits_beside_what_runs_until_it_is_published() {
        let query = query(Stage::Draft(Arc::new(revision(1))));
        assert_eq!((numbers(&query), query.shown().number), ((None, Some(1)), 1));
        let query = query.with_draft(revision(2));
        assert_eq!(numbers(&query), (None, Some(2)));
        let query = query.with_published(revision(2), moment(9));
        assert_eq!((numbers(&query), query.version, query.updated_at), ((Some(2), None), 3, moment(9)));
        assert_eq!(query.shown().published_at, Some(moment(9)));
        let query = query.with_draft(revision(3));
        assert_eq!((numbers(&query), query.shown().number), ((Some(2), Some(3)), 2));
        let query = query.with_draft(revision(4));
        assert_eq!(numbers(&query), (Some(2), Some(4)));
    }

    #[test]
    fn going_back_leaves_a_later_draft_and_a_later_save_takes_its_place() {
        let query = query(Stage::Published(Arc::new(revision(1)))).with_published(revision(2), moment(2));
        let back = query.with_published(revision(1), moment(3));
        assert_eq!((numbers(&back), back.newest_revision), ((Some(1), None), 2));
        let drafted = query.with_draft(revision(3));
        assert_eq!(numbers(&drafted.with_published(revision(1), moment(4))), (Some(1), Some(3)));
        assert_eq!(numbers(&drafted.with_published(revision(4), moment(4))), (Some(4), None));
    }

    #[test]
    fn a_draft_is_discarded_and_its_number_is_not_given_again() {
        let published = query(Stage::Published(Arc::new(revision(1))));
        let discarded = published.with_draft(revision(2)).without_draft(moment(5)).unwrap();
        assert_eq!((numbers(&discarded), discarded.newest_revision, discarded.version), ((Some(1), None), 2, 3));
        assert_eq!(published.without_draft(moment(5)), None);
        assert_eq!(query(Stage::Draft(Arc::new(revision(1)))).without_draft(moment(5)), None);
    }

    #[test]
    fn the_newest_revisions_and_the_published_one_are_kept() {
        let mut query = query(Stage::Published(Arc::new(revision(1))));
        assert_eq!(query.kept_revisions(), BTreeSet::from([1]));
        for number in 2..=KEPT_REVISIONS + 3 {
            query = query.with_draft(revision(number));
        }
        let newest = 4..=KEPT_REVISIONS + 3;
        assert_eq!(query.kept_revisions(), newest.clone().chain([1]).collect());
        assert_eq!(query.with_published(revision(4), moment(99)).kept_revisions(), newest.collect());
    }

    #[test]
    fn a_query_needs_the_sources_of_what_runs_and_of_what_waits() {
        let query = query(Stage::Published(Arc::new(revision(1)))).with_draft(revision(2));
        let ids: Vec<u128> = query.references().iter().map(|reference| reference.id.as_u128()).collect();
        assert_eq!(ids, [1, 2]);
    }

    #[test]
    fn every_stage_is_read_back() {
        let drafted = query(Stage::Draft(Arc::new(revision(1))));
        let published = drafted.with_published(revision(1), moment(2));
        for query in [drafted, published.with_draft(revision(2)), published] {
            let text = serde_json::to_string(&query).unwrap();
            assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
        }
    }
}
