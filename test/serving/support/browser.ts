import { existsSync } from 'node:fs';
import { type Browser, launch } from 'puppeteer-core';

/** Chromium without a window. It comes from npm; else one that is installed, or that RESNET_TORCH_CHROMIUM names. */
async function candidates(): Promise<readonly string[]> {
  const named = process.env.RESNET_TORCH_CHROMIUM;
  if (named !== undefined && named !== '') return [named];
  const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].filter(existsSync);
  try {
    const { default: chromium } = await import('@sparticuz/chromium');
    return [await chromium.executablePath(), ...installed];
  } catch {
    return installed;
  }
}

/** A browser, or why there is none. */
export async function openBrowser(): Promise<Browser | string> {
  const problems: string[] = [];
  for (const executablePath of await candidates()) {
    try {
      return await launch({
        executablePath,
        headless: 'shell',
        // The sandbox wants rights that containers do not give; the only page that is opened is the server's own.
        args: ['--no-sandbox', '--no-zygote', '--disable-gpu', '--disable-dev-shm-usage'],
        timeout: 60_000,
      });
    } catch (error) {
      problems.push(`${executablePath}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems.length === 0 ? 'there is none' : problems.join('; ');
}
