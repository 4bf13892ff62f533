import { it } from 'node:test';
import { fuzzServe } from '../serving/support/fuzz/serve.js';
import { soakSeconds } from './support/seconds.js';

const seconds = soakSeconds(3600);

it(`a server stays up under ${seconds} seconds of bad requests`, (t) => fuzzServe(t, seconds));
