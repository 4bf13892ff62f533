import type { Argv, CommandModule } from 'yargs';
import { number } from '../../option-text.js';
import { jsonOption, withRanges } from '../options.js';
import { createOutput } from '../output.js';
import { table } from '../table.js';

interface ListArguments {
  readonly json?: boolean | undefined;
}

interface ClearArguments extends ListArguments {
  readonly olderThan?: number | undefined;
}

const listCommand: CommandModule<object, ListArguments> = {
  command: 'list',
  describe: 'Show the caches on disk, the last used first',
  builder: (cli) =>
    cli
      .options(jsonOption)
      .example('$0 cache list', 'what each holds, its size, and when it was last used')
      .example('$0 cache list --json', '{ directory, stores }') as Argv<ListArguments>,
  handler: list,
};

const clearCommand: CommandModule<object, ClearArguments> = {
  command: 'clear',
  describe: 'Remove the caches on disk',
  builder: (cli) =>
    cli
      .options(
        withRanges({
          'older-than': {
            requiresArg: true,
            description: 'Only those that no run has used for so many days',
            coerce: number('older-than', { min: 0 }),
          },
          ...jsonOption,
        }),
      )
      .example('$0 cache clear', 'all of them')
      .example('$0 cache clear --older-than 30', 'those that were not used for a month')
      .epilogue('A run that uses one goes on undisturbed. Downloaded weights are not touched.') as Argv<ClearArguments>,
  handler: clear,
};

export const cacheCommand: CommandModule = {
  command: 'cache',
  describe: 'Show or remove the features that runs have kept on disk',
  builder: (cli) =>
    cli
      .command([listCommand, clearCommand] as CommandModule[])
      .demandCommand(1, 'Name what to do: list or clear.')
      .example('$0 cache list', 'the caches on disk')
      .example('$0 cache clear --older-than 30', 'remove what was not used for a month')
      .epilogue(
        'A run keeps what the frozen part of the network makes of each image (`train --cache`); on disk, later runs with ' +
          'the same weights find it there. RESNET_TORCH_CACHE names another directory.',
      ),
  handler: () => undefined,
};

async function list(args: ListArguments): Promise<void> {
  const { featureStoresDirectory, listFeatureStores } = await import('../../training/feature-stores.js');
  const { formatBytes } = await import('../../training/feature-cache.js');
  const output = createOutput({ json: args.json === true });
  const directory = featureStoresDirectory();
  const stores = await listFeatureStores();
  if (args.json === true) {
    output.json({ directory, stores });
    return;
  }
  if (stores.length === 0) {
    output.print(`There are no caches in ${directory}.`);
    return;
  }
  const rows = stores.map(({ key, unit, imageSize, precision, entries, bytes, used }) => [
    key,
    unit === undefined ? '–' : `up to ${unit}`,
    imageSize === undefined ? '–' : `${imageSize} px`,
    precision ?? '–',
    String(entries),
    formatBytes(bytes),
    used.slice(0, 16).replace('T', ' '),
  ]);
  const heading = ['cache', 'features', 'images', 'precision', 'entries', 'size', 'last used (UTC)'];
  const total = formatBytes(stores.reduce((sum, { bytes }) => sum + bytes, 0));
  output.print(table(heading, rows, ['left', 'left', 'right', 'left', 'right', 'right', 'left']));
  output.print(`\n${total} in ${directory}`);
}

async function clear(args: ClearArguments): Promise<void> {
  const { clearFeatureStores } = await import('../../training/feature-stores.js');
  const { formatBytes } = await import('../../training/feature-cache.js');
  const output = createOutput({ json: args.json === true });
  const days = args.olderThan;
  const olderThan = days === undefined ? undefined : new Date(Date.now() - days * 86_400_000);
  const removed = await clearFeatureStores({ olderThan });
  const bytes = removed.reduce((sum, store) => sum + store.bytes, 0);
  if (args.json === true) output.json({ removed, bytes });
  else output.print(`Removed ${removed.length === 1 ? '1 cache' : `${removed.length} caches`}, ${formatBytes(bytes)}.`);
}
