import { it } from 'node:test';
import { hostileFiles } from '../safety/support/hostile.js';
import { hostileLoad } from './support/fuzz/hostile-load.js';

/** Each kind twice: what one leaves behind shows at the second. */
it('a server keeps its memory over hostile files', (t) =>
  hostileLoad(t, 2 * hostileFiles().length, (line) => t.diagnostic(line)));
