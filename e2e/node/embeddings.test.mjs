// An embedding model and the openai package for Node, which asks for base64 unless told otherwise.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { startServer } from './server.mjs';

const skip = process.env.SKEIN_BASE_URL ? 'the server under test is not ours' : false;
const model = 'tiny-encoder';
let folder;
let server;
let client;

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'skein-'));
  execFileSync('python3', [fileURLToPath(new URL('../python/encoder.py', import.meta.url)), join(folder, model)]);
  server = await startServer(join(folder, model), '--served-model-name', model);
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
});
after(async () => {
  await server?.stop();
  if (folder) rmSync(folder, { recursive: true });
});

test('vectors, coded and plain', { skip }, async () => {
  const input = ['Hello world', 'bees make honey'];
  const coded = await client.embeddings.create({ model, input });
  const plain = await client.embeddings.create({ model, input, encoding_format: 'float' });
  assert.equal(coded.data.length, 2);
  for (const [i, { embedding }] of coded.data.entries()) {
    assert.equal(embedding.length, 32);
    assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-5);
    assert.deepEqual(Array.from(embedding), plain.data[i].embedding.map(Math.fround));
  }
  assert.equal(coded.usage.total_tokens, coded.usage.prompt_tokens);
});

test('what it does not do', { skip }, async () => {
  const wrong = client.embeddings.create({ model, input: 'a'.repeat(40) });
  await assert.rejects(wrong, (error) => error instanceof OpenAI.BadRequestError && /32 tokens/.test(error.message));
  const chat = client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello' }] });
  await assert.rejects(chat, OpenAI.NotFoundError);
});
