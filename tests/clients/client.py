"""Drives the demo server of `tidegate dev` with the Python SDK of MCP, in both eras of the protocol.

Usage: client.py DEV_JSON
"""

import asyncio
import csv
import io
import json
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import httpx2
from jsonschema import Draft202012Validator
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ListToolsResult, Tool

# The mode of the SDK for each version of the protocol.
ERAS = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
QUERIES = {
    "busiest_routes",
    "delays_by_carrier",
    "delays_by_weather",
    "list_airlines",
    "list_flights",
    "plane_history",
    "search_airports",
    "search_flights",
}
BUILTINS = {"list_tables", "describe_table", "run_sql"}
TABLES = {"airlines", "airports", "flights", "planes", "weather"}

Check = Callable[[], Awaitable[None]]


@asynccontextmanager
async def connected(url: str, key: str, mode: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=20) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, cache=None, read_timeout_seconds=20) as client:
            yield client


def equal(found: Any, expected: Any) -> None:
    assert found == expected, f"found {found!r}, expected {expected!r}"


def text_of(result: CallToolResult) -> str:
    equal([block.type for block in result.content], ["text"])
    return result.content[0].text


def rows_of(tool: Tool, result: CallToolResult) -> list[list[Any]]:
    """The rows of a result, once its structured content and its text are found to agree with each other."""
    assert not result.is_error, text_of(result)
    content = result.structured_content
    Draft202012Validator(tool.output_schema).validate(content)
    columns, rows = [column["name"] for column in content["columns"]], content["rows"]
    equal(content["row_count"], len(rows))
    equal({len(row) for row in rows} - {len(columns)}, set())
    lines = list(csv.reader(io.StringIO(text_of(result))))
    equal(lines[0], columns)
    if content["truncated"] or not rows:
        assert (content["next_cursor"] or "(no rows)") in ",".join(lines.pop())
    equal(len(lines) - 1, len(rows))
    for line, row in zip(lines[1:], rows, strict=True):
        equal(line, ["" if cell is None else spelled(cell) for cell in row])
    return rows


def spelled(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell)


class Checks:
    """What is checked over one connection. Each case can fail alone."""

    def __init__(self, client: Client, listed: ListToolsResult, era: str) -> None:
        self.client, self.listed, self.era = client, listed, era
        self.tools = {tool.name: tool for tool in listed.tools}

    def cases(self) -> dict[str, Check]:
        cases: dict[str, Check] = {
            "the version is negotiated": self.negotiated,
            "every tool is listed, in the same order twice": self.listing,
            "the built-in tools show the catalogue": self.catalogue,
            "run_sql gives back every kind of value": self.values,
            "a query is read to its end by cursor": self.query_pages,
            "run_sql is read to its end by cursor": self.sql_pages,
            "what goes wrong in a tool is a tool error": self.tool_errors,
            "what is not there is a protocol error": self.protocol_errors,
        }
        for name in sorted(QUERIES & self.tools.keys()):
            cases[f"{name} takes its examples"] = lambda name=name: self.examples(name)
            cases[f"{name} takes its defaults"] = lambda name=name: self.defaults(name)
        return cases

    async def call(self, name: str, **arguments: Any) -> CallToolResult:
        return await self.client.call_tool(name, arguments)

    async def rows(self, name: str, **arguments: Any) -> list[list[Any]]:
        return rows_of(self.tools[name], await self.call(name, **arguments))

    async def negotiated(self) -> None:
        equal(self.client.protocol_version, self.era)
        result = await self.call("list_airlines")
        if self.era == ERAS["legacy"]:
            equal(self.client.server_info.name, "flights")
            assert self.client.server_capabilities.tools is not None
            assert self.client.instructions
        else:
            equal(result.meta["io.modelcontextprotocol/serverInfo"]["name"], "flights")

    async def listing(self) -> None:
        equal(self.tools.keys(), QUERIES | BUILTINS)
        again = await self.client.list_tools()
        equal([tool.name for tool in again.tools], [tool.name for tool in self.listed.tools])
        equal(self.listed.next_cursor, None)
        equal(self.listed.cache_scope, "private")
        for tool in self.tools.values():
            assert tool.title and tool.description, tool.name
            assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint, tool.name
            for schema in (tool.input_schema, tool.output_schema):
                equal(schema["type"], "object")
                Draft202012Validator.check_schema(schema)

    async def examples(self, name: str) -> None:
        schema = self.tools[name].input_schema
        given = {key: value["examples"][0] for key, value in schema["properties"].items() if "examples" in value}
        Draft202012Validator(schema).validate(given)
        assert await self.rows(name, **given), "no rows"

    async def defaults(self, name: str) -> None:
        schema = self.tools[name].input_schema
        given = {key: schema["properties"][key]["examples"][0] for key in schema.get("required", [])}
        assert await self.rows(name, **given), "no rows"

    async def catalogue(self) -> None:
        tables = await self.call("list_tables")
        Draft202012Validator(self.tools["list_tables"].output_schema).validate(tables.structured_content)
        equal({table["name"] for table in tables.structured_content["tables"]}, TABLES)
        for name in TABLES:
            assert f"main.{name}" in text_of(tables)
            table = await self.call("describe_table", table=name)
            Draft202012Validator(self.tools["describe_table"].output_schema).validate(table.structured_content)
            described = [column["name"] for column in table.structured_content["columns"]]
            result = await self.call("run_sql", source="flights", sql=f"SELECT * FROM {name} LIMIT 1")
            equal([column["name"] for column in result.structured_content["columns"]], described)

    async def values(self) -> None:
        sql = "SELECT 1, 0.5, 'a,\"b\nc', '', NULL, 9007199254740993, x'00ff', 'Zürich 漢字 🛫'"
        row = [1, 0.5, 'a,"b\nc', "", None, "9007199254740993", "AP8=", "Zürich 漢字 🛫"]
        equal(await self.rows("run_sql", sql=sql), [row])
        equal(await self.rows("run_sql", sql="SELECT id FROM flights WHERE id < 0"), [])

    async def pages(self, name: str, **arguments: Any) -> list[list[list[Any]]]:
        pages: list[list[list[Any]]] = []
        cursor: dict[str, str] = {}
        while len(pages) < 20:
            result = await self.call(name, **arguments, **cursor)
            pages.append(rows_of(self.tools[name], result))
            if result.structured_content["next_cursor"] is None:
                return pages
            cursor = {"cursor": result.structured_content["next_cursor"]}
        raise AssertionError("the pages do not end")

    async def query_pages(self) -> None:
        pages = await self.pages("list_flights", date_from="2013-01-01", carrier="B6")
        assert len(pages) > 2
        expected = "SELECT flight_date, id FROM flights WHERE carrier = 'B6' ORDER BY flight_date, id"
        everything = await self.pages("run_sql", sql=expected)
        equal([row[:2] for page in pages for row in page], [row for page in everything for row in page])

    async def sql_pages(self) -> None:
        pages = await self.pages("run_sql", sql="SELECT id FROM flights WHERE id <= 2500 ORDER BY id")
        equal([len(page) for page in pages], [1000, 1000, 500])
        equal([row[0] for page in pages for row in page], list(range(1, 2501)))

    async def tool_errors(self) -> None:
        for name, arguments, code, word in [
            ("run_sql", {"sql": "SELECT nope FROM flights"}, "database_error", "nope"),
            ("run_sql", {"sql": "DELETE FROM flights"}, "statement_not_allowed", "DELETE"),
            ("run_sql", {"sql": "SELECT 1", "cursor": "x"}, "invalid_cursor", "cursor"),
            ("run_sql", {}, "invalid_argument", "sql"),
            ("run_sql", {"sql": "SELECT 1", "source": "nope"}, "invalid_argument", "flights"),
            ("describe_table", {"table": "nope"}, "not_found", "nope"),
            ("plane_history", {}, "invalid_argument", "tailnum"),
            ("search_flights", {"limit": 501}, "invalid_argument", "500"),
            ("search_flights", {"limit": "5"}, "invalid_argument", "limit"),
            ("search_flights", {"origin": "XXX"}, "invalid_argument", "JFK"),
            ("search_flights", {"nope": 1}, "invalid_argument", "nope"),
        ]:
            result = await self.call(name, **arguments)
            assert result.is_error, f"{name} {arguments} is no error"
            equal(result.structured_content, None)
            text = text_of(result)
            assert text.startswith(f"{code}: ") and word in text, f"{name} {arguments}: {text}"

    async def protocol_errors(self) -> None:
        for call, code in [
            (lambda: self.call("nope"), -32602),
            (lambda: self.client.list_tools(cursor="nope"), -32602),
            (self.client.list_prompts, -32601),
            (self.client.list_resources, -32601),
        ]:
            try:
                raise AssertionError(f"an answer in place of {code}: {await call()}")
            except MCPError as error:
                equal(error.code, code)


async def refused(url: str, mode: str) -> None:
    """A key that is not known gets nowhere."""
    taken = False
    try:
        async with connected(url, "tg_unknown", mode) as client:
            await client.list_tools()
            taken = True
    except* MCPError:
        pass
    assert not taken, "an unknown key was taken"


async def discovered(url: str, key: str) -> None:
    """A client that asks which versions there are takes the latest."""
    async with connected(url, key, "auto") as client:
        equal(client.protocol_version, ERAS["2026-07-28"])
        equal(client.server_info.name, "flights")
        assert client.server_capabilities.tools is not None and client.instructions


async def count(era: str, cases: dict[str, Check]) -> int:
    failed = 0
    for name, check in cases.items():
        try:
            await check()
        except Exception:
            failed += 1
            print(f"FAILED ({era}): {name}\n{traceback.format_exc()}", file=sys.stderr)
    print(f"Python mcp {version('mcp')}, {era}: {len(cases) - failed} passed, {failed} failed", flush=True)
    return failed


async def main(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        dev = json.load(file)
    url, key = dev["mcp_url"], dev["api_key"]
    failed = 0
    for mode, era in ERAS.items():
        async with connected(url, key, mode) as client:
            cases = Checks(client, await client.list_tools(), era).cases()
            cases["an unknown key is refused"] = lambda mode=mode: refused(url, mode)
            if era == ERAS["2026-07-28"]:
                cases["the version is discovered"] = lambda: discovered(url, key)
            failed += await count(era, cases)
    return failed


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(sys.argv[1])) else 0)
