import { basename, extname, resolve } from 'node:path';
import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { number } from '../../option-text.js';
import type { AccessEntry, PredictionServer } from '../../serving/index.js';
import { UsageError } from '../failure.js';
import { type FlagArguments, flags } from '../flags.js';
import { given } from '../given.js';
import { Interrupted, interruptible } from '../interrupt.js';
import { jsonOption, withRanges } from '../options.js';
import { createOutput, type Output } from '../output.js';
import { outliveReaders } from '../readers.js';

const LIMITS_GROUP = 'Limits:';
const STRANGERS_GROUP = 'Who may ask:';

/** Of the table of training, where they mean the same. */
const MACHINE = ['device', 'precision', 'workers', 'threads'] as const;

const options = {
  model: {
    type: 'string',
    array: true,
    requiresArg: true,
    description: 'A further model and the name that clients call it, NAME=RUN; may be given many times',
  },
  host: {
    type: 'string',
    requiresArg: true,
    description: 'Address to listen on; default 127.0.0.1, this machine alone',
  },
  port: {
    requiresArg: true,
    description: 'Default 8080; 0 is any that is free',
    coerce: number('port', { integer: true, min: 0, max: 65535 }),
  },
  'allowed-hosts': {
    group: STRANGERS_GROUP,
    type: 'string',
    array: true,
    requiresArg: true,
    description:
      'A name that requests may call the server by, .example.com for all below it, or *; may be given many times; ' +
      'default: names of this machine where --host is one of its own, else any',
  },
  cors: {
    group: STRANGERS_GROUP,
    type: 'string',
    array: true,
    requiresArg: true,
    description:
      'An origin whose pages may use the server, such as https://app.example.com, or *; may be given many times; ' +
      'default: its own page alone',
  },
  verbose: { type: 'boolean', description: 'Print a line for every request on standard error' },
  ...jsonOption,
  'max-body': limit('max-body', 'Bytes of a request; default 16 MiB'),
  'max-pixels': limit('max-pixels', 'Pixels of an image, by its header; default 50 million'),
  'max-images': limit('max-images', 'Images of a request; default 32'),
  timeout: limit(
    'timeout',
    'Milliseconds that a request may take to arrive, again to be answered, and its answer to be read; default 10000',
  ),
  'max-queue': limit(
    'max-queue',
    'Images whose answers have not gone out; beyond, requests are answered with 429; default 256',
  ),
  'max-connections': limit('max-connections', 'Connections at once; beyond, they are closed unheard; default 1000'),
  'keep-alive': limit('keep-alive', 'Milliseconds that a connection may wait for its next request; default 72000'),
  'max-batch': limit('max-batch', 'Images of a batch'),
  'max-delay': {
    ...limit('max-delay', 'Milliseconds that the first image of a batch waits for others'),
    coerce: number('max-delay', { min: 0 }),
  },
} as const;

function limit(flag: string, description: string) {
  return { group: LIMITS_GROUP, requiresArg: true, description, coerce: number(flag, { integer: true, min: 1 }) };
}

interface ServeArguments extends InferredOptionTypes<typeof options>, FlagArguments<(typeof MACHINE)[number]> {
  readonly runs?: string[] | undefined;
}

export const serveCommand: CommandModule<object, ServeArguments> = {
  command: 'serve [runs..]',
  describe: 'Answer predictions over HTTP',
  builder: (cli) =>
    cli
      .positional('runs', {
        type: 'string',
        array: true,
        description: 'Run directories, checkpoints or weights files; clients call them by their last part',
      })
      .options({ ...withRanges(options), ...flags(MACHINE) })
      .example('$0 serve runs/bees', 'http://127.0.0.1:8080/: a page to drop an image on, and /v1/predict')
      .example('$0 serve --model bees=runs/bees --model birds=runs/7', 'two models; /v1/predict?model=birds')
      .example('$0 serve runs/bees --host 0.0.0.0 --max-queue 64', 'for other machines, with a short queue')
      .epilogue(
        'SIGHUP loads the models again without dropping a request. SIGTERM and Ctrl-C take no further requests, let those ' +
          'that run end, and exit 0 and 130. /openapi.json describes the interface.',
      ) as Argv<ServeArguments>,
  handler: async (args) => {
    try {
      await interruptible((signal) => serve(args, signal), ['SIGINT', 'SIGTERM']);
    } catch (error) {
      // To be told to end is how a server ends.
      if (!(error instanceof Interrupted && error.signal === 'SIGTERM')) throw error;
    }
  },
};

async function serve(args: ArgumentsCamelCase<ServeArguments>, signal: AbortSignal): Promise<void> {
  const models = modelsOf(args.runs ?? [], args.model ?? []);
  outliveReaders();
  // Threads that spin while they wait take the cores from the event loop and from decoding. Read when libtorch loads.
  process.env.OMP_WAIT_POLICY ??= 'passive';
  const { createServer } = await import('../../serving/index.js');
  const output = createOutput({ json: args.json === true });
  if (args.threads !== undefined) (await import('../../native/load.js')).native().setThreads(args.threads);
  await using server = await createServer({
    models,
    predictor: given({
      device: args.device,
      precision: args.precision,
      workers: args.workers,
      maxBatch: args.maxBatch,
      maxDelayMs: args.maxDelay,
    }),
    ...given({
      maxBodyBytes: args.maxBody,
      maxPixels: args.maxPixels,
      maxImages: args.maxImages,
      timeoutMs: args.timeout,
      maxQueue: args.maxQueue,
      maxConnections: args.maxConnections,
      keepAliveMs: args.keepAlive,
      allowedHosts: args.allowedHosts,
      cors: args.cors,
    }),
    onError: (error) => output.note(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    ...(args.verbose === true ? { onAccess: (entry) => output.note(accessLine(entry)) } : {}),
  });
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const reload = (): void => void tellReload(server, output);
  process.on('SIGHUP', reload);
  try {
    const { url, host, port } = await server.listen(given({ host: args.host, port: args.port }));
    await Promise.race([server.ready, stopped]);
    signal.throwIfAborted();
    const names = Object.keys(models);
    if (args.json === true) output.json({ address: url, host, port, models: names });
    else output.print(`Serving ${names.join(', ')} on ${url}`);
    await stopped;
  } finally {
    process.off('SIGHUP', reload);
  }
}

/** Characters of an address in the log: a query may hold anything. */
const MOST_ADDRESS = 200;

function accessLine({ method, url, status, milliseconds, images }: AccessEntry): string {
  // Bytes that would tell a terminal what to do are not passed on.
  const whole = url.replaceAll(/[^!-~]/g, '?');
  const address = whole.length > MOST_ADDRESS ? `${whole.slice(0, MOST_ADDRESS)}...` : whole;
  return `${new Date().toISOString()} ${method} ${address} ${status} ${milliseconds.toFixed(1)} ms, ${images} images`;
}

async function tellReload(server: PredictionServer, output: Output): Promise<void> {
  const { reloaded, failed } = await server.reload();
  if (reloaded.length > 0) output.note(`Loaded again: ${reloaded.join(', ')}.`);
  for (const { model, error } of failed) {
    output.note(`${model} stays what it was: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Models by name, in the order given: those of the positional paths are named by the last part of the path. */
export function modelsOf(runs: readonly string[], named: readonly string[]): Readonly<Record<string, string>> {
  const pairs = [...runs.map((path) => [lastPart(path), path] as const), ...named.map(splitName)];
  if (pairs.length === 0) throw new UsageError('Name a run to serve: `resnet-torch serve runs/bees`.');
  const models = new Map<string, string>();
  for (const [name, path] of pairs) {
    const other = models.get(name);
    if (other !== undefined) {
      throw new UsageError(
        `${other} and ${path} are both called ${JSON.stringify(name)}. Give one of them another name: --model NAME=RUN.`,
      );
    }
    models.set(name, path);
  }
  return Object.fromEntries(models);
}

function lastPart(path: string): string {
  const name = basename(resolve(path));
  return /\.(safetensors|pth|pt)$/i.test(name) ? basename(name, extname(name)) : name;
}

function splitName(text: string): readonly [name: string, path: string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) {
    throw new UsageError(`--model takes NAME=RUN, such as bees=runs/bees, not ${JSON.stringify(text)}.`);
  }
  return [text.slice(0, at), text.slice(at + 1)];
}
