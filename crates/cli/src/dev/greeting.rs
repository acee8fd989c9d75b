//! What a person sees when the local server is ready.

use std::path::Path;

use secrecy::ExposeSecret;

use super::record::Record;
use crate::{failure::Failure, terminal};

/// Prints what to do next. The key is shown when it is new; later it is read from its file.
pub(super) fn print(record: &Record, key_is_new: bool, folder: &Path) -> Result<(), Failure> {
    let file = Record::path(folder);
    let Record { base_url, mcp_url, .. } = record;
    let (shown, key) = if key_is_new {
        let key = record.api_key.expose_secret().to_owned();
        (format!("{key}\n            (shown this once; it is kept in {})", file.display()), key)
    } else {
        let extract = format!(r#"$(sed -n 's/.*"api_key": "\(.*\)".*/\1/p' '{}')"#, file.display());
        (format!("in {}", file.display()), extract)
    };
    let client = if key_is_new {
        let config = serde_json::json!({"mcpServers": {"tidegate": {
            "type": "http", "url": mcp_url, "headers": {"Authorization": format!("Bearer {key}")},
        }}});
        format!("An MCP client (.mcp.json for Claude Code):\n\n{config:#}")
    } else {
        format!(
            "An MCP client (Claude Code):\n\nclaude mcp add --transport http tidegate {mcp_url} --header \"Authorization: Bearer {key}\""
        )
    };
    terminal::print(&format!(
        "\
Tidegate is ready.

  API       {base_url}
  API docs  {base_url}/docs
  MCP       {mcp_url}
  API key   {shown}

Ask it something:

curl -s '{base_url}/v1/execute/busiest_routes?format=markdown' -H \"Authorization: Bearer {key}\" -d '{{}}'

{client}

Stop it with Ctrl-C.
"
    ))?;
    Ok(())
}
