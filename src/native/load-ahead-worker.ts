import { openAddon } from './load.js';

// It stays loaded when this thread ends.
openAddon();
