// DuckDB behind pipes, for peers.py: each line of standard input is {"sql": TEXT}, each line of
// standard output its answer: {ms, names, types, rows} or {error}.
// usage: node duckdb.js FILE THREADS MEMORY
const readline = require('node:readline');
const { performance } = require('node:perf_hooks');
const { DuckDBInstance } = require('@duckdb/node-api');

async function main([file, threads, memory]) {
  const instance = await DuckDBInstance.create(file, { threads, memory_limit: memory });
  const connection = await instance.connect();
  const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\n');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      const begin = performance.now();
      const reader = await connection.runAndReadAll(JSON.parse(line).sql);
      const ms = performance.now() - begin;
      const types = reader.columnTypes().map(String);
      say({ ms, names: reader.columnNames(), types, rows: reader.getRowsJson() });
    } catch (error) {
      say({ error: error.message });
    }
  }
  connection.closeSync();
  instance.closeSync();
}

main(process.argv.slice(2));
