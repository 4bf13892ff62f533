import { it } from 'node:test';
import { hostileLoad } from '../serving/support/fuzz/hostile-load.js';
import { fuzzServe } from '../serving/support/fuzz/serve.js';
import { soakLog } from './support/log.js';
import { soakSeconds } from './support/seconds.js';

const seconds = soakSeconds(3600);

it('a server keeps its memory over 2,000 hostile files', (t) => hostileLoad(t, 2000, soakLog));

it(`a server stays up under ${seconds} seconds of bad requests`, (t) => fuzzServe(t, seconds, soakLog));
