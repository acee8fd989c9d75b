//! The functions that do more than compute, by engine. A name that ends in `*` stands for all that begin so.

use std::{collections::HashMap, sync::LazyLock};

use crate::{Class, Dialect};

/// One family of functions with the same effect.
struct Effect {
    names: &'static [&'static str],
    class: Class,
    /// What they do, after `which`.
    does: &'static str,
}

const fn admin(does: &'static str, names: &'static [&'static str]) -> Effect {
    Effect { names, class: Class::Admin, does }
}

const fn write(does: &'static str, names: &'static [&'static str]) -> Effect {
    Effect { names, class: Class::Write, does }
}

const POSTGRES: &[Effect] = &[
    write("advances a sequence", &["nextval", "setval"]),
    write("takes a transaction id", &["txid_current", "pg_current_xact_id"]),
    admin(
        "reads or writes files of the server",
        &[
            "pg_read_*",
            "pg_ls_*",
            "pg_stat_file",
            "pg_file_*",
            "pg_hba_file_rules",
            "pg_ident_file_mappings",
            "pg_show_all_file_settings",
        ],
    ),
    admin("changes or opens large objects", &["lo_*", "lowrite", "loread"]),
    admin(
        "runs SQL that the guard cannot see",
        &[
            "dblink*",
            "query_to_xml*",
            "cursor_to_xml*",
            "ts_stat",
            "ts_rewrite",
            "crosstab*",
            "connectby",
            "xpath_table",
            "pg_background_*",
            "schedule_in_database",
        ],
    ),
    admin(
        "reaches outside the database",
        &[
            "http_*",
            "query_export_to_s3",
            "table_import_from_s3",
            "aws_lambda_invoke",
            "postgres_fdw_disconnect*",
            "postgres_fdw_get_connections",
        ],
    ),
    admin("changes a setting", &["set_config"]),
    admin("ends another session or its statement", &["pg_terminate_backend", "pg_cancel_backend"]),
    admin("waits", &["pg_sleep*"]),
    admin("signals other sessions", &["pg_notify"]),
    admin("takes locks that outlive the statement", &["pg_advisory_*", "pg_try_advisory_*"]),
    admin(
        "controls the server",
        &[
            "pg_reload_conf",
            "pg_rotate_logfile*",
            "pg_promote",
            "pg_switch_wal",
            "pg_switch_xlog",
            "pg_start_backup",
            "pg_stop_backup",
            "pg_backup_*",
            "pg_create_*",
            "pg_wal_replay_*",
            "pg_log_*",
            "pg_export_snapshot",
            "pg_stat_reset*",
            "pg_stat_statements_reset",
            "pg_stat_force_next_flush",
            "pg_prewarm",
            "autoprewarm_*",
        ],
    ),
    admin(
        "controls replication",
        &["pg_logical_*", "pg_replication_*", "pg_drop_replication_slot", "pg_copy_*", "pg_sync_replication_slots"],
    ),
    admin(
        "changes the catalog or the storage",
        &[
            "pg_import_system_collations",
            "pg_extension_config_dump",
            "pg_nextoid",
            "pg_stop_making_pinned_objects",
            "pg_truncate_visibility_map",
            "heap_force_*",
            "brin_summarize_*",
            "brin_desummarize_range",
            "gin_clean_pending_list",
            "pg_restore_*",
            "pg_clear_*",
            "binary_upgrade_*",
        ],
    ),
];

const MYSQL: &[Effect] = &[
    write("advances a sequence", &["nextval", "setval"]),
    admin("reads or writes files of the server", &["load_file"]),
    admin("runs programs on the server", &["sys_exec", "sys_eval", "sys_set", "lib_mysqludf_*"]),
    admin(
        "waits",
        &[
            "sleep",
            "benchmark",
            "master_pos_wait",
            "source_pos_wait",
            "master_gtid_wait",
            "wait_for_executed_gtid_set",
            "wait_until_sql_thread_after_gtids",
        ],
    ),
    admin(
        "takes or releases locks that outlive the statement",
        &["get_lock", "release_lock", "release_all_locks", "service_get_*", "service_release_*"],
    ),
    admin(
        "controls the server",
        &[
            "group_replication_*",
            "asynchronous_connection_failover_*",
            "keyring_*",
            "version_tokens_*",
            "audit_log_*",
            "mysql_firewall_*",
            "set_firewall_mode",
            "read_firewall_*",
            "mysqlx_*",
            "load_rewrite_rules",
            "flush_rewrite_cache",
        ],
    ),
    admin("runs SQL that the guard cannot see", &["spider_*"]),
];

const SQLITE: &[Effect] = &[
    admin("loads code", &["load_extension", "fts3_tokenizer"]),
    admin("reads or writes files", &["readfile", "writefile", "edit", "fsdir", "lsdir", "zipfile"]),
    admin("runs SQL that the guard cannot see", &["eval"]),
];

/// Known in engines that a source may turn out to be behind its protocol.
const ANYWHERE: &[Effect] = &[
    admin(
        "reaches outside the database",
        &[
            "openrowset",
            "openquery",
            "opendatasource",
            "read_csv*",
            "read_json*",
            "read_parquet*",
            "read_text",
            "read_blob",
        ],
    ),
    admin("runs programs on the server", &["xp_cmdshell"]),
];

/// The functions of one engine, made to be looked up.
struct Known {
    names: HashMap<&'static str, &'static Effect>,
    /// The beginnings that stand for many names.
    prefixes: Vec<(&'static str, &'static Effect)>,
}

impl Known {
    fn new(own: &'static [Effect]) -> Self {
        let mut known = Self { names: HashMap::new(), prefixes: Vec::new() };
        for effect in own.iter().chain(ANYWHERE) {
            for pattern in effect.names {
                if let Some(prefix) = pattern.strip_suffix('*') {
                    known.prefixes.push((prefix, effect));
                } else {
                    known.names.entry(pattern).or_insert(effect);
                }
            }
        }
        known
    }
}

static KNOWN_TO_POSTGRES: LazyLock<Known> = LazyLock::new(|| Known::new(POSTGRES));
static KNOWN_TO_MYSQL: LazyLock<Known> = LazyLock::new(|| Known::new(MYSQL));
static KNOWN_TO_SQLITE: LazyLock<Known> = LazyLock::new(|| Known::new(SQLITE));

/// What calling a function does beside computing; none when it is not known to do anything.
pub(super) fn of(name: &str, dialect: Dialect) -> Option<(Class, &'static str)> {
    let known = match dialect {
        Dialect::Postgres => &KNOWN_TO_POSTGRES,
        Dialect::Mysql => &KNOWN_TO_MYSQL,
        Dialect::Sqlite => &KNOWN_TO_SQLITE,
    };
    let name = name.to_lowercase();
    let named = known.names.get(name.as_str()).copied();
    let begun = || known.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, effect)| *effect);
    named.or_else(begun).map(|effect| (effect.class, effect.does))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_are_compared() {
        for effect in [POSTGRES, MYSQL, SQLITE, ANYWHERE].into_iter().flatten() {
            for name in effect.names {
                assert!(
                    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '*'),
                    "{name}"
                );
                assert!(!name.trim_end_matches('*').contains('*'), "{name}");
            }
        }
    }

    #[test]
    fn a_function_has_its_effect_in_its_own_engine() {
        assert_eq!(of("PG_SLEEP_FOR", Dialect::Postgres), Some((Class::Admin, "waits")));
        assert_eq!(of("sleep", Dialect::Mysql), Some((Class::Admin, "waits")));
        assert_eq!(of("sleep", Dialect::Postgres), None);
        assert_eq!(of("percentile_cont", Dialect::Postgres), None);
    }
}
