import { bareCases } from './cases-bare.js';
import { runCases } from './cases-runs.js';
import { strategyCases } from './cases-strategies.js';

export const cases = [...strategyCases, ...runCases, ...bareCases];
