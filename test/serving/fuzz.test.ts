import { it } from 'node:test';
import { fuzzServe } from './support/fuzz/serve.js';

it('a server stays up under ten seconds of bad requests', { timeout: 300_000 }, (t) =>
  fuzzServe(t, 10, (line) => t.diagnostic(line)),
);
