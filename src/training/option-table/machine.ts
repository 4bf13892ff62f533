import { MOST_WORKERS } from '../../data/limits.js';
import { PRECISIONS } from '../../model/precision.js';
import { CACHE_MODES } from '../feature-cache.js';
import { checkLossScale } from '../loss-scale.js';
import { readDevice, readLossScale } from '../option-readers.js';
import { choice, type OptionRow, onOff, text, whole, written } from '../option-row.js';

/** Options of the machine: batches, device, arithmetic, threads, what is cached. */
export const MACHINE_OPTIONS = {
  batchSize: {
    group: 'machine',
    part: 'settings',
    resume: 'kept',
    type: whole({ min: 1, max: 65536 }),
    default: 32,
    help: 'Images a step',
  },
  device: {
    group: 'machine',
    part: 'model',
    resume: 'free',
    type: written('auto, cpu, cuda or cuda:N', readDevice),
    otherwise: 'auto',
    help: 'auto, cpu, cuda or cuda:N; auto: cuda:0 where it can be had, else cpu; not run on a GPU so far',
  },
  precision: {
    group: 'machine',
    part: 'settings',
    resume: 'kept',
    type: choice(PRECISIONS),
    default: 'auto',
    help: 'auto: bf16 where the processor is fast at it or on CUDA; fp16: on CUDA alone',
  },
  workers: {
    group: 'machine',
    part: 'conditions',
    resume: 'free',
    type: whole({ min: 1, max: MOST_WORKERS }),
    otherwise: 'one a core, or half of them with a GPU',
    help: 'Threads that read and decode images',
  },
  threads: {
    group: 'machine',
    part: 'command',
    resume: 'free',
    type: whole({ min: 1, max: 1024 }),
    otherwise: 'as many as there are cores',
    help: 'Threads of the arithmetic',
  },
  lossScale: {
    group: 'machine',
    part: 'settings',
    resume: 'kept',
    type: text('dynamic, or a number above 0, at most 16777216', checkLossScale, readLossScale),
    otherwise: 'dynamic',
    help: 'For fp16: dynamic, or a fixed factor of the loss such as 128',
  },
  cudaGraph: {
    group: 'machine',
    part: 'conditions',
    resume: 'free',
    type: onOff,
    default: false,
    help: 'Record a step as a CUDA graph and replay it; on CUDA alone',
  },
  cache: {
    group: 'machine',
    part: 'settings',
    resume: 'kept',
    type: choice(CACHE_MODES),
    default: 'auto',
    help: 'Where outputs of the units frozen from the input on are kept for later epochs',
  },
  cacheViews: {
    group: 'machine',
    part: 'settings',
    resume: 'kept',
    type: whole({ min: 1, max: 1e6 }),
    help: 'Views of each training image that epochs walk through, so that random crops can be cached',
  },
} as const satisfies Readonly<Record<string, OptionRow>>;
