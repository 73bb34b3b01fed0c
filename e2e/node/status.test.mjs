// The status page, as a browser without a screen shows it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Window } from 'happy-dom';
import { startServer, until } from './server.mjs';

const skip = process.env.SKEIN_BASE_URL ? 'the server under test is not ours' : false;
const key = 'sk-of-the-page';
let server;
let browser;
let page;

before(async () => {
  if (skip) return;
  server = await startServer('--replicas', '2', '--threads', '1', '--api-key', key);
  browser = new Window({ url: `${server.url}/skein`, settings: { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true } });
  page = browser.document;
  page.write(await (await fetch(`${server.url}/skein`)).text());
});
after(async () => {
  await browser?.happyDOM.abort();
  await server?.stop();
});

const cells = (table) => [...page.querySelectorAll(`#${table} tr`)].map((row) => [...row.children].map((cell) => cell.textContent));

test('it asks for the key and then shows groups and ranks', { skip }, async () => {
  assert.ok(await until(() => !page.querySelector('#ask').hidden));
  assert.deepEqual(cells('groups'), []);
  page.querySelector('#key').value = key;
  page.querySelector('form').dispatchEvent(new browser.Event('submit', { cancelable: true }));
  assert.ok(await until(() => cells('groups').filter((row) => row[1] === 'ready').length === 2), JSON.stringify(cells('groups')));
  assert.ok(page.querySelector('#ask').hidden);
  assert.equal(page.querySelector('#ready').textContent, 'ready');
  assert.equal(cells('ranks').length, 3);
  assert.equal(cells('models')[1][0], 'SmolLM2-135M-Instruct');
});

test('it says that the server is gone', { skip }, async () => {
  await server.stop();
  assert.ok(await until(() => !page.querySelector('#trouble').hidden));
  assert.match(page.querySelector('#trouble').textContent, /does not answer/);
  assert.equal(cells('groups').length, 3);
});
