import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Browser, ElementHandle, FileChooser, Page } from 'puppeteer-core';
import sharp from 'sharp';
import { temporaryDirectory } from '../support/paths.js';
import { openBrowser } from './support/browser.js';
import { FakePredictor, jpeg, type ServeOptions, serveFake } from './support/serving.js';

/** Labels as the page shows them: text, probability and width of the bar. */
const READ_LABELS = `[...document.querySelectorAll('#labels li')].map((item) => [
  item.querySelector('.label').textContent,
  item.querySelector('.probability').textContent,
  item.querySelector('.bar').style.width,
])`;

describe('the page in a browser', () => {
  let browser: Browser | undefined;
  let problem = '';

  before(async () => {
    const found = await openBrowser();
    if (typeof found === 'string') problem = found;
    else browser = found;
  });
  after(() => browser?.close());

  /** Opens the page of a server; whatever it complains of, or asks of others, fails the test. */
  async function open(t: TestContext, predictor: FakePredictor, options: ServeOptions = {}): Promise<Page | null> {
    if (browser === undefined) {
      t.skip(`no browser starts here: ${problem}`);
      return null;
    }
    const { url } = await serveFake(t, options, predictor);
    const page = await browser.newPage();
    const complaints: string[] = [];
    const strangers: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('blob:')) strangers.push(request.url());
    });
    t.after(async () => {
      await page.close();
      assert.deepEqual(strangers, []);
      assert.deepEqual(
        complaints.filter((text) => !/favicon|status of 4\d\d/.test(text)),
        [],
      );
    });
    await page.goto(url);
    return page;
  }

  async function imageFile(t: TestContext, content?: Buffer): Promise<string> {
    const path = join(await temporaryDirectory(t), 'photo.jpg');
    await writeFile(path, content ?? (await jpeg(64, 48)));
    return path;
  }

  /** Presses Enter on what has the focus until a file is asked for: a busy machine's browser can lose the first one. */
  async function chooseByKeyboard(page: Page, presses = 4): Promise<FileChooser> {
    // Taken over before the key is pressed: what comes earlier would open, and close, unseen.
    const asked = page.waitForFileChooser({ timeout: 10_000 });
    asked.catch(() => {});
    await page.bringToFront();
    await page.evaluate(`document.getElementById('file').focus()`);
    await page.keyboard.press('Enter');
    try {
      return await asked;
    } catch (error) {
      if (presses === 1) throw error;
      return chooseByKeyboard(page, presses - 1);
    }
  }

  it('shows the labels of a file that is chosen, with bars', async (t) => {
    const page = await open(t, new FakePredictor(['rote Äpfel', '<b onclick="x">', '青い 丸', 'bees']));
    if (page === null) return;
    const input = (await page.$('#file')) as ElementHandle<never>;
    await (input as ElementHandle).uploadFile(await imageFile(t));
    await page.waitForSelector('#labels li');
    assert.deepEqual(await page.evaluate(READ_LABELS), [
      ['rote Äpfel', '25.0%', '25%'],
      ['<b onclick="x">', '25.0%', '25%'],
      ['青い 丸', '25.0%', '25%'],
      ['bees', '25.0%', '25%'],
    ]);
    assert.match(String(await page.evaluate(`document.getElementById('status').textContent`)), /rote Äpfel, 25\.0%/);
    await page.waitForFunction(`document.getElementById('preview').naturalWidth === 64`);
    const wide = await page.evaluate(`document.querySelector('.bar').getBoundingClientRect().width > 20`);
    assert.ok(wide, 'style is allowed');
  });

  it('takes an image that is dropped anywhere', async (t) => {
    const page = await open(t, new FakePredictor());
    if (page === null) return;
    const bytes = (
      await sharp({ create: { width: 30, height: 30, channels: 3, background: 'red' } })
        .png()
        .toBuffer()
    ).toString('base64');
    await page.evaluate(`{
      const bytes = Uint8Array.from(atob('${bytes}'), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }));
      for (const name of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer }));
      }
    }`);
    await page.waitForSelector('#labels li');
    assert.equal(((await page.evaluate(READ_LABELS)) as unknown[]).length, 2);
  });

  it('works by keyboard, and says so to screen readers', async (t) => {
    const page = await open(t, new FakePredictor());
    if (page === null) return;
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(`document.activeElement.id`), 'file');
    const chooser = await chooseByKeyboard(page);
    await chooser.accept([await imageFile(t)]);
    await page.waitForSelector('#labels li');
    const tree = JSON.stringify(await page.accessibility.snapshot({ interestingOnly: false }));
    assert.match(tree, /"role":"status"/);
    assert.match(tree, /Labels, likeliest first/);
  });

  it('says what is wrong with a file that is no image', async (t) => {
    const page = await open(t, new FakePredictor());
    if (page === null) return;
    const input = (await page.$('#file')) as ElementHandle<never>;
    await (input as ElementHandle).uploadFile(await imageFile(t, Buffer.from('no image')));
    await page.waitForSelector('#status.failed');
    assert.match(String(await page.evaluate(`document.getElementById('status').textContent`)), /cannot be decoded/);
    assert.deepEqual(await page.evaluate(READ_LABELS), []);
  });

  it('lets a model be chosen where there are several', async (t) => {
    const asked: string[] = [];
    const page = await open(t, new FakePredictor(), {
      models: { first: 'a', 'zwei & drei': 'b' },
      onAccess: ({ url }) => asked.push(url),
    });
    if (page === null) return;
    await page.waitForSelector('#choice:not([hidden])');
    await page.select('#model', 'zwei & drei');
    await ((await page.$('#file')) as ElementHandle).uploadFile(await imageFile(t));
    await page.waitForSelector('#labels li');
    assert.ok(asked.includes('/v1/predict?model=zwei%20%26%20drei'), asked.join(' '));
  });
});
