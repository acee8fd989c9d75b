// Drives the demo server of `tidegate dev` with the command line of MCP Inspector, in both eras of the protocol.
//
// Usage: inspector.mjs DEV_JSON NODE_MODULES

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [devJson, modules] = process.argv.slice(2);
const { mcp_url: url, api_key: apiKey } = JSON.parse(readFileSync(devJson, "utf8"));
const launcher = join(modules, ".bin", "mcp-inspector");
const { version } = JSON.parse(readFileSync(join(modules, "@modelcontextprotocol/inspector/package.json"), "utf8"));

// The exit codes of the command line.
const AUTH_REQUIRED = 3;
const TOOL_IS_ERROR = 5;

/** Runs the command line and gives back what it printed; `exits` is how it must end. */
function inspect(era, options, { key = apiKey, exits = 0 } = {}) {
  const target = ["--cli", url, "--transport", "http", "--protocol-era", era];
  const auth = ["--header", `Authorization: Bearer ${key}`, "--stored-auth-only"];
  const command = [launcher, ...target, ...auth, "--format", "json", ...options];
  const run = spawnSync(process.execPath, command, { encoding: "utf8", timeout: 20_000 });
  assert.equal(run.status, exits, `exit ${run.status ?? run.signal}: ${run.stderr}`);
  return run;
}

function call(era, tool, options, rest) {
  const run = inspect(era, ["--method", "tools/call", "--tool-name", tool, ...options], rest);
  return JSON.parse(run.stdout).result;
}

const checks = {
  "lists the tools, and finds no error in their schemas"(era) {
    const run = inspect(era, ["--method", "tools/list", "--strict"]);
    const names = JSON.parse(run.stdout).result.tools.map((tool) => tool.name);
    assert.equal(names.length, 11);
    assert.ok(names.includes("busiest_routes") && names.includes("run_sql"), names.join());
  },
  "calls a query with arguments as pairs"(era) {
    const result = call(era, "busiest_routes", ["--tool-arg", "limit=3", 'origins=["EWR"]']);
    assert.equal(result.structuredContent.row_count, 3);
    assert.ok(result.structuredContent.rows.every(([origin]) => origin === "EWR"));
    assert.match(result.content[0].text, /^origin,dest,/);
  },
  "calls run_sql with arguments as JSON"(era) {
    const sql = "SELECT count(*) AS flights FROM flights";
    const result = call(era, "run_sql", ["--tool-args-json", JSON.stringify({ sql })]);
    assert.deepEqual(result.structuredContent.rows, [[20000]]);
    assert.equal(result.content[0].text, "flights\n20000\n");
  },
  "shows a tool error"(era) {
    const result = call(era, "run_sql", ["--tool-arg", "sql=SELECT nope"], { exits: TOOL_IS_ERROR });
    assert.equal(result.isError, true);
    assert.match(result.content[0].text, /^database_error: no such column: nope/);
  },
  "says that an unknown key is refused"(era) {
    inspect(era, ["--method", "tools/list"], { key: "tg_unknown", exits: AUTH_REQUIRED });
  },
};

let failures = 0;
for (const era of ["legacy", "modern"]) {
  const failed = Object.entries(checks).filter(([name, check]) => {
    try {
      check(era);
    } catch (error) {
      console.error(`FAILED (${era}): ${name}\n${error.stack}\n`);
      return true;
    }
  });
  const passed = Object.keys(checks).length - failed.length;
  console.log(`MCP Inspector ${version}, ${era}: ${passed} passed, ${failed.length} failed`);
  failures += failed.length;
}
process.exitCode = failures ? 1 : 0;
