// Runs the official conformance suite against the server `conformance` of conformance.yaml, and counts the checks of
// the scenarios that apply to a server with nothing but tools.
//
// Usage: conformance.mjs DEV_JSON NODE_MODULES RESULTS_FOLDER

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";

const [devJson, modules, results] = process.argv.slice(2);
const { base_url: base, tenant, api_key: apiKey } = JSON.parse(readFileSync(devJson, "utf8"));
const suite = join(modules, "@modelcontextprotocol/conformance");
const { version } = JSON.parse(readFileSync(join(suite, "package.json"), "utf8"));

// Each scenario that applies, and its checks that do not: those that ask for tools of the suite's own example server,
// or for prompts and resources, which Tidegate has none of.
const SCENARIOS = {
  "2025-11-25": {
    "server-initialize": [],
    ping: [],
    "tools-list": [],
    "tools-call-simple-text": [],
    "tools-call-error": [],
    "dns-rebinding-protection": [],
  },
  "2026-07-28": {
    "server-stateless": [
      "sep-2575-server-rejects-undeclared-capability",
      "sep-2575-missing-capability-http-400",
      "sep-2575-http-server-no-independent-requests-on-stream",
      "sep-2575-server-no-log-without-loglevel",
    ],
    "tools-list": [],
    "tools-call-simple-text": [],
    "tools-call-error": [],
    "server-sse-multiple-streams": [],
    "dns-rebinding-protection": [],
    caching: [
      "sep-2549-prompts-list-caching-hints",
      "sep-2549-resources-list-caching-hints",
      "sep-2549-resources-templates-list-caching-hints",
    ],
    "http-header-validation": [],
    "input-required-result-unsupported-methods": [],
    "input-required-result-validate-input": [],
  },
};

/** The suite cannot send a header of ours, so this adds the key. The header `host` stays as the suite sends it. */
const proxy = createServer((incoming, outgoing) => {
  const { hostname, port } = new URL(base);
  const { method, url: path } = incoming;
  const headers = { ...incoming.headers, authorization: `Bearer ${apiKey}` };
  const forwarded = request({ hostname, port, method, path, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  forwarded.on("error", (error) => outgoing.destroy(error));
  incoming.pipe(forwarded);
}).listen(0, "127.0.0.1");
await once(proxy, "listening");
const url = `http://127.0.0.1:${proxy.address().port}/t/${tenant}/mcp/conformance`;

/** Runs all that a revision requires; what it found is in a file of checks for each scenario. */
async function run(revision) {
  const folder = join(results, revision);
  const command = [join(suite, "dist/index.js"), "server", "--url", url, "--requirements", revision, "-o", folder];
  const child = spawn(process.execPath, command, { stdio: "ignore" });
  // It fails, since scenarios that do not apply are run too.
  await once(child, "exit");
  return (scenario) => {
    const untimed = (name) => name.replace(/-\d{4}-\d\d-\d\dT.*/, "");
    const found = readdirSync(folder).filter((name) => untimed(name) === `server-${scenario}`);
    if (found.length !== 1) throw new Error(`${found.length} results of the scenario ${scenario}`);
    return JSON.parse(readFileSync(join(folder, found[0], "checks.json"), "utf8"));
  };
}

let failures = 0;
for (const [revision, scenarios] of Object.entries(SCENARIOS)) {
  const checksOf = await run(revision);
  let passed = 0;
  let failed = 0;
  const fail = (text) => {
    failed += 1;
    console.error(`FAILED (${revision}): ${text}`);
  };
  for (const [scenario, inapplicable] of Object.entries(scenarios)) {
    const checks = checksOf(scenario);
    passed += checks.filter(({ status }) => status === "SUCCESS").length;
    if (!checks.some(({ status }) => status === "SUCCESS")) fail(`${scenario}: nothing was checked`);
    for (const { id, description, errorMessage } of checks.filter(({ status }) => status === "FAILURE")) {
      if (!inapplicable.includes(id)) fail(`${scenario}, ${id}: ${description}: ${errorMessage}`);
    }
    for (const id of inapplicable) {
      if (!checks.some((check) => check.id === id && check.status === "FAILURE")) {
        fail(`${scenario}, ${id}: it passes, so it applies: take it from the list`);
      }
    }
  }
  console.log(`MCP conformance ${version}, ${revision}: ${passed} passed, ${failed} failed`);
  failures += failed;
}
proxy.close();
process.exitCode = failures ? 1 : 0;
