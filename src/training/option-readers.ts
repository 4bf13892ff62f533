import { readFileSync } from 'node:fs';
import type { ColorJitter } from '../data/transforms/color-jitter.js';
import { type ClassWeights, requireClassWeights } from '../losses/class-weights.js';
import { type Device, isDevice } from '../model/device.js';
import { parseLrTiers, type RateTier } from '../optim/groups.js';
import type { SettingValues } from '../optim/optimizers/rule.js';
import { decimal } from '../option-text.js';
import { type LossScale, MOST_LOSS_SCALE } from './loss-scale.js';

/** Readers of the texts of the command line that are no plain number or word. */

/** `0.25:1e-6,0.75:1e-5,1:1e-4` */
export function readTiers(given: string | number): readonly RateTier[] {
  const odd = String(given)
    .split(/[,:]/)
    .find((part) => Number.isFinite(Number(part)) && Number.isNaN(decimal(part.trim())));
  if (odd !== undefined) {
    throw new Error(`--lr-tiers ${given}: ${JSON.stringify(odd)} is not a share or a rate, such as 0.25:1e-6.`);
  }
  try {
    return parseLrTiers(String(given));
  } catch (error) {
    throw new Error(`--lr-tiers ${given}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `30,60` */
export function readMilestones(given: string | number): readonly number[] {
  return String(given)
    .split(',')
    .map((part) => {
      const value = decimal(part.trim());
      if (value > 0 && Number.isFinite(value)) return value;
      throw new Error(`--schedule-milestones takes epochs such as 30,60, not ${JSON.stringify(String(given))}.`);
    });
}

/** `linear` or `none`: one linear layer; `1024` or `1024,256`: hidden layers of these widths. */
export function readHead(given: string | number): readonly number[] {
  const text = String(given);
  if (text === 'linear' || text === 'none') return [];
  return text.split(',').map((part) => {
    const value = /^\d+$/.test(part) ? Number(part) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new Error(`--head takes hidden widths such as 1024 or 1024,256, or linear, not ${JSON.stringify(text)}.`);
    }
    return value;
  });
}

/** `momentum=0.8,nesterov=true` */
export function readSettings(given: string | number): SettingValues {
  const settings = String(given)
    .split(',')
    .map((part): [string, number | boolean] => {
      const [name = '', text = '', ...rest] = part.split('=').map((word) => word.trim());
      const value = text === 'true' || text === 'false' ? text === 'true' : decimal(text);
      if (name !== '' && rest.length === 0 && !Number.isNaN(value)) return [name, value];
      throw new Error(
        `--optimizer-options takes NAME=NUMBER, NAME=true or NAME=false, such as momentum=0.8,nesterov=true, not ${JSON.stringify(part)}.`,
      );
    });
  const names = settings.map(([name]) => name);
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) throw new Error(`--optimizer-options ${given}: ${twice} is given twice.`);
  return Object.fromEntries(settings);
}

export function readPattern(given: string | number): string {
  const text = String(given);
  try {
    new RegExp(text);
  } catch (error) {
    throw new Error(
      `--freeze-match takes a regular expression: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  return text;
}

/** `dynamic`, or a number. */
export function readLossScale(given: string | number): LossScale {
  if (given === 'dynamic') return given;
  const value = decimal(String(given));
  if (value > 0 && value <= MOST_LOSS_SCALE) return value;
  throw new Error(
    `--loss-scale takes dynamic or a number above 0, at most ${MOST_LOSS_SCALE}, not ${JSON.stringify(String(given))}.`,
  );
}

/** Numbers with commas between them, of which there may be so many. */
function readNumbers(given: string | number, counts: readonly number[], takes: string): readonly number[] {
  const values = String(given)
    .split(',')
    .map((part) => decimal(part.trim()));
  if (counts.includes(values.length) && values.every(Number.isFinite)) return values;
  throw new Error(`${takes}, not ${JSON.stringify(String(given))}.`);
}

/** `0.5,1` */
export function readCropScale(given: string | number): readonly [number, number] {
  const takes = '--crop-scale takes two shares of the area, such as 0.5,1';
  return readNumbers(given, [2], takes) as readonly [number, number];
}

/** `0.75,1.33` */
export function readCropRatio(given: string | number): readonly [number, number] {
  const takes = '--crop-ratio takes two ratios of width to height, such as 0.75,1.33';
  return readNumbers(given, [2], takes) as readonly [number, number];
}

/** `0.4`: brightness, contrast and saturation; `0.4,0.4,0.4,0.1`: each of them, and the hue. */
export function readColorJitter(given: string | number): number | ColorJitter {
  const takes =
    '--color-jitter takes one number such as 0.4, or those of brightness, contrast, saturation and hue such as 0.4,0.4,0.4,0.1';
  const [brightness = 0, contrast, saturation = 0, hue = 0] = readNumbers(given, [1, 4], takes);
  return contrast === undefined ? brightness : { brightness, contrast, saturation, hue };
}

export function readDevice(given: string | number): Device {
  if (isDevice(given)) return given;
  throw new Error(`--device takes auto, cpu, cuda or cuda:N, not ${JSON.stringify(String(given))}.`);
}

/** `balanced`, or the path of a JSON file with weights by class name. */
export function readClassWeights(given: string | number): ClassWeights {
  if (given === 'balanced') return given;
  const path = String(given);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(
      `--class-weights takes balanced or a JSON file such as { "ants": 1, "bees": 2.5 }, and ${JSON.stringify(path)} cannot be ` +
        `read as one: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return requireClassWeights(content, `--class-weights ${path}`);
}
