// What users of the openai package for Node see.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { metric, startServer, until } from './server.mjs';

const messages = [{ role: 'user', content: 'What do bees make?' }];
let server;
let client;
let model;

before(async () => {
  server = await startServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
  model = (await client.models.list()).data[0].id;
});
after(() => server?.stop());

const ask = (more = {}) => ({ model, messages, temperature: 0, max_tokens: 24, ...more });
const complete = (more = {}) => ({ model, prompt: 'The capital of France is', temperature: 0, max_tokens: 12, ...more });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test('plain chat', async () => {
  const answer = await client.chat.completions.create(ask());
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.model, model);
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.ok(answer.choices[0].message.content.trim());
  assert.ok(['stop', 'length'].includes(answer.choices[0].finish_reason));
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test('a fact', async () => {
  assert.match((await client.completions.create(complete())).choices[0].text, /Paris/);
});

test('streamed chat, with usage in a last chunk', async () => {
  const whole = await client.chat.completions.create(ask());
  const chunks = await collect(
    await client.chat.completions.create(ask({ stream: true, stream_options: { include_usage: true } })),
  );
  const usage = chunks.pop();
  assert.deepEqual(usage.choices, []);
  assert.equal(usage.usage.completion_tokens, whole.usage.completion_tokens);
  assert.deepEqual(chunks[0].choices[0].delta, { role: 'assistant', content: '' });
  assert.equal(chunks.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.choices[0].finish_reason === null));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), whole.choices[0].message.content);
});

test("the package's own stream collector agrees with the plain answer", async () => {
  const whole = await client.chat.completions.create(ask());
  const collected = await client.chat.completions.stream(ask()).finalChatCompletion();
  assert.equal(collected.choices[0].message.content, whole.choices[0].message.content);
  assert.equal(collected.choices[0].finish_reason, whole.choices[0].finish_reason);
});

test('n = 2 with a seed, twice', async () => {
  const body = ask({ n: 2, temperature: 1, seed: 11, max_tokens: 16 });
  const texts = async () => (await client.chat.completions.create(body)).choices.map((choice) => choice.message.content);
  const once = await texts();
  assert.equal(once.length, 2);
  assert.notEqual(once[0], once[1]);
  assert.deepEqual(await texts(), once);
});

test('n = 2 streamed', async () => {
  const body = ask({ n: 2, temperature: 1, seed: 11, max_tokens: 16 });
  const whole = await client.chat.completions.create(body);
  const chunks = await collect(await client.chat.completions.create({ ...body, stream: true }));
  for (const index of [0, 1]) {
    const mine = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index);
    assert.equal(mine.map((choice) => choice.delta.content ?? '').join(''), whole.choices[index].message.content);
    assert.ok(mine.at(-1).finish_reason);
  }
});

test('stop strings are cut off, also in streams', async () => {
  const story = { prompt: 'Once upon a time', max_tokens: 40 };
  const text = (await client.completions.create(complete(story))).choices[0].text;
  const stop = text.slice(30, 34);
  const cut = text.slice(0, text.indexOf(stop));
  const plain = await client.completions.create(complete({ ...story, stop }));
  assert.equal(plain.choices[0].text, cut);
  assert.equal(plain.choices[0].finish_reason, 'stop');
  const chunks = await collect(await client.completions.create(complete({ ...story, stop: [stop], stream: true })));
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(''), cut);
});

test('logprobs of chats and completions', async () => {
  const chat = await client.chat.completions.create(ask({ logprobs: true, top_logprobs: 2, max_tokens: 5 }));
  const tokens = chat.choices[0].logprobs.content;
  assert.equal(tokens.length, 5);
  for (const token of tokens) {
    assert.ok(token.logprob <= 0);
    assert.equal(token.top_logprobs.length, 2);
    assert.equal(token.top_logprobs[0].token, token.token);
  }
  const completion = await client.completions.create(complete({ logprobs: 1 }));
  assert.equal(completion.choices[0].logprobs.tokens.join(''), completion.choices[0].text);
});

test('several prompts, token ids, echo', async () => {
  const one = (await client.completions.create(complete())).choices[0].text;
  const two = await client.completions.create(complete({ prompt: ['The capital of France is', 'Once upon a time'] }));
  assert.equal(two.choices[0].text, one);
  const ids = (await (await post('/tokenize', { prompt: 'The capital of France is' })).json()).tokens;
  assert.equal((await client.completions.create(complete({ prompt: ids }))).choices[0].text, one);
  const echoed = await client.completions.create(complete({ echo: true }));
  assert.equal(echoed.choices[0].text, `The capital of France is${one}`);
});

test('an aborted stream is forgotten by the server', async () => {
  assert.ok(await until(idle));
  const stream = await client.chat.completions.create(ask({ stream: true, max_tokens: 4000, ignore_eos: true }));
  let seen = 0;
  for await (const chunk of stream) {
    assert.ok(chunk);
    if (++seen === 4) {
      assert.ok(await until(async () => (await metric(server.url, 'vllm:num_requests_running')) === 1));
      stream.controller.abort();
    }
  }
  assert.ok(await until(idle));
});

test('errors are the classes of the package and name their field', async () => {
  await assert.rejects(client.chat.completions.create(ask({ model: 'no-such-model' })), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.param, 'model');
    return true;
  });
  await assert.rejects(client.chat.completions.create(ask({ temperature: 3 })), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'temperature');
    return true;
  });
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
  await assert.rejects(client.chat.completions.create(ask({ tools })), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.match(`${error.param} ${error.message}`, /tools/);
    return true;
  });
});

test('eight streams at once answer as alone', async () => {
  const prompts = Array.from({ length: 8 }, (_, n) => `Story number ${n}:`);
  const alone = [];
  for (const prompt of prompts) alone.push((await client.completions.create(complete({ prompt }))).choices[0].text);
  const together = await Promise.all(
    prompts.map(async (prompt) =>
      (await collect(await client.completions.create(complete({ prompt, stream: true }))))
        .map((chunk) => chunk.choices[0].text)
        .join(''),
    ),
  );
  assert.deepEqual(together, alone);
});

test('text split over tokens never shows a replacement character', async () => {
  const chunks = await collect(
    await client.completions.create(complete({ prompt: 'Sunny day 😀🎉 at the beach 🏖️ 🌱🌱🌱', max_tokens: 40, stream: true })),
  );
  // One may stand for the half of a character that max_tokens cut off, as the very last one.
  const text = chunks.map((chunk) => chunk.choices[0].text).join('');
  assert.ok(text.length > 10);
  assert.ok(!text.slice(0, -1).includes('\ufffd'));
});

const idle = async () => (await metric(server.url, 'vllm:num_requests_running')) === 0;

const post = (path, body) =>
  fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
