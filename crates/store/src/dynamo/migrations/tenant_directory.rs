//! 1: the directory, one partition that lists the tenants. Before it, only who knew the name of a tenant could find it.

use super::{Migration, Reads, Step, Write};
use crate::dynamo::{Item, damaged, decode, keys};
use tidegate_core::{Result, tenant::Tenant};

pub(super) const MIGRATION: Migration = Migration {
    revision: 1,
    name: "tenant_directory",
    needs_code: 0,
    up: Step { reads: Reads::Partitions(keys::TENANT), writes: list },
    down: Step { reads: Reads::Partition(keys::DIRECTORY), writes: unlist },
};

fn list(item: &Item) -> Result<Vec<Write>> {
    let tenant: Tenant = decode(item)?;
    let doc = item.get(keys::DOC).cloned().ok_or_else(|| damaged("a tenant has no document"))?;
    let mut listed = keys::listed_tenant(tenant.id.as_uuid());
    listed.insert(keys::DOC.to_owned(), doc);
    Ok(vec![Write::Put(listed)])
}

fn unlist(item: &Item) -> Result<Vec<Write>> {
    Ok(vec![Write::Delete(keys::of(item))])
}
