// The server under test: the one that SKEIN_BASE_URL names, or else a `./skein serve` of our own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
// Building and fetching the model are part of the first start.
const START_MILLIS = 900_000;
const PATIENCE_MILLIS = 60_000;

/** Resolves to `{ url, stop }` once `/health` answers 200. Words are what follows `serve`. */
export async function startServer(...words) {
  const given = process.env.SKEIN_BASE_URL;
  if (given) {
    return { url: given.replace(/\/+$/, '').replace(/\/v1$/, ''), stop: async () => {} };
  }
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(`${ROOT}skein`, ['serve', ...words, '--port', `${port}`], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => (output = (output + data).slice(-4000)));
  }
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await Promise.race([once(child, 'exit'), sleep(PATIENCE_MILLIS, undefined, { ref: false })]);
      child.kill('SIGKILL');
    }
  };
  const deadline = Date.now() + START_MILLIS;
  while (!(await healthy(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`the server did not start:\n${output}`);
    }
    await sleep(100);
  }
  return { url, stop };
}

/** Waits for a condition; the caller asserts the answer. */
export async function until(condition) {
  const deadline = Date.now() + PATIENCE_MILLIS;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}

/** The sum of a metric over its labels. */
export async function metric(url, name) {
  const page = await (await fetch(`${url}/metrics`)).text();
  return page
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

async function healthy(url) {
  try {
    return (await fetch(`${url}/health`)).status === 200;
  } catch {
    return false;
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
