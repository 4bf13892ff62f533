import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { ResnetTorchError } from '../errors.js';
import { isRegExp } from '../kinds.js';
import { type ArchitectureName, DEFAULT_ARCHITECTURE } from '../model/architecture.js';
import type { HeadShape } from '../model/head-shape.js';
import type { ResNet } from '../model/network.js';
import { versions } from '../model/versions.js';
import type { ModelDtype } from '../native/contract/model.js';
import type { Note } from '../notes.js';
import { type RunSettings, writtenSettings } from './settings.js';

/** What `config.json` of a run directory holds: enough to repeat the run, and to continue it. */
export interface RunConfig {
  readonly format: 'resnet-torch run';
  readonly created: string;
  readonly settings: RunSettings;
  readonly model: {
    /** The member of the family; runs of before there were others have none, and are of a resnet50. */
    readonly arch?: ArchitectureName;
    readonly classes: readonly string[];
    readonly head: HeadShape;
    readonly dtype: ModelDtype;
    readonly device: string;
    /** Where its weights came from. */
    readonly weights: string;
  };
  readonly data: {
    readonly path: string;
    readonly images: { readonly train: number; readonly val: number };
    /** SHA-256 over the split, path and label of every image. */
    readonly fingerprint: string;
    /** Files that were left out when the data set was opened. */
    readonly skipped: readonly {
      readonly path: string;
      readonly message: string;
    }[];
  };
  /** What was met when the run began and changes what its result means. */
  readonly notes: readonly Note[];
  readonly versions: Readonly<Record<string, string>>;
}

const FORMAT = 'resnet-torch run';

export async function describeRun(
  settings: RunSettings,
  model: ResNet,
  classes: readonly string[],
  data: Dataset,
  notes: readonly Note[],
): Promise<RunConfig> {
  return {
    format: FORMAT,
    created: new Date().toISOString(),
    settings: plainSettings(writtenSettings(settings)),
    model: {
      arch: model.arch,
      classes,
      head: model.head,
      dtype: model.dtype,
      device: model.device,
      weights: model.weights,
    },
    data: {
      path: data.path,
      images: {
        train: data.split('train').files.length,
        val: data.split('val').files.length,
      },
      fingerprint: await fingerprint(data),
      skipped: data.skipped.corrupt,
    },
    notes,
    versions: { ...versions(), node: process.versions.node },
  };
}

/** A regular expression is no JSON; its text is, though without flags. What it froze is in the groups all the same. */
function plainSettings(settings: RunSettings): RunSettings {
  const { freeze } = settings;
  if (typeof freeze === 'object' && 'match' in freeze) {
    return {
      ...settings,
      freeze: {
        match: isRegExp(freeze.match) ? freeze.match.source : freeze.match,
      },
    };
  }
  return settings;
}

/** Files between two turns of the event loop. */
const SLICE = 4096;

async function fingerprint(data: Dataset): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['train', 'val'] as const) {
    const { files } = data.split(name);
    for (let start = 0; start < files.length; start += SLICE) {
      for (const { path, label } of files.slice(start, start + SLICE)) {
        hash.update(`${name}\0${relative(data.path, path)}\0${label}\n`);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return hash.digest('hex');
}

/**
 * The config of a run to be continued.
 *
 * @throws ERR_CHECKPOINT when it is none, or when the model or the data are not those that the run began with
 */
export async function checkConfig(
  value: unknown,
  path: string,
  model: ResNet,
  classes: readonly string[],
  data: Dataset,
): Promise<RunConfig> {
  const config = value as Partial<RunConfig> | null;
  if (typeof config !== 'object' || config === null || config.format !== FORMAT || config.settings === undefined) {
    throw new ResnetTorchError('ERR_CHECKPOINT', `The config.json in ${path} is not that of a run.`);
  }
  const { model: trained, data: seen } = config as RunConfig;
  const differs = (what: string, then: unknown, now: unknown): void => {
    if (JSON.stringify(then) === JSON.stringify(now)) return;
    throw new ResnetTorchError(
      'ERR_CHECKPOINT',
      `The run in ${path} cannot be continued: ${what} differs. Continue it with what it began with, or begin another run.`,
    );
  };
  const arch = trained.arch ?? DEFAULT_ARCHITECTURE;
  if (arch !== model.arch) throw otherArchitecture(path, arch, model.arch);
  differs("the model's head", trained.head, model.head);
  differs("the model's dtype", trained.dtype, model.dtype);
  differs('the list of classes', trained.classes, classes);
  differs('the data set (its files, labels or splits)', seen.fingerprint, await fingerprint(data));
  return config as RunConfig;
}

/** A run goes on with the architecture that it began with. */
export function otherArchitecture(path: string, began: ArchitectureName, given: ArchitectureName): ResnetTorchError {
  return new ResnetTorchError(
    'ERR_CHECKPOINT',
    `The run in ${path} cannot be continued: it trains a ${began}, and a ${given} was given. Leave --arch out, load the model ` +
      'from its checkpoint, or begin another run.',
  );
}
