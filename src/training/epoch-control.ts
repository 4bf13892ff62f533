import { ResnetTorchError } from '../errors.js';
import type { ParameterGroup } from '../optim/groups.js';
import { invalidArgument, nearest, requireNumber } from '../options.js';
import type { EpochEvent } from './events.js';

/** The rate of a parameter group. */
export interface GroupRate {
  readonly group: string;
  /** The rate that the schedule's factor is applied to. */
  readonly lr: number;
}

/** How `onEpoch` changes the rest of a run. It acts until the callback has come to its end, and throws ERR_DISPOSED then. */
export interface EpochControl {
  /** The groups' present rates, in the order of the groups: their own, or what they were changed to. */
  readonly rates: readonly GroupRate[];
  /** Ends the run after this epoch, with a result. */
  stop(): void;
  /**
   * Gives a group another rate from the next step on. The schedule's factor goes on being applied to it.
   *
   * @param lr 0 or more; with 0 the group stands still
   * @throws ERR_INVALID_ARGUMENT for a group that there is not, naming the nearest, or a rate out of range
   */
  setRate(group: string, lr: number): void;
  /**
   * Multiplies the rates of all groups from the next step on.
   *
   * @param factor above 0
   * @throws ERR_INVALID_ARGUMENT for a factor out of range
   */
  scaleRates(factor: number): void;
}

/**
 * Called after each epoch, when it was evaluated and its event was told, and before its checkpoints; nothing is trained
 * until it returns, or its promise resolves. What it changes is part of the run: one that is continued has it.
 *
 * A throw or rejection fails the run, whose `result` rejects with it, and an abortion of the run abandons a callback
 * that is awaited. Then what it had changed is dropped: a run that is continued evaluates the epoch and calls again.
 */
export type OnEpoch = (event: EpochEvent, control: EpochControl) => void | Promise<void>;

/** What callbacks have changed so far: plain data. */
export interface Changes {
  /** Rates of all groups, in their order, or null for the groups' own. */
  readonly rates: readonly number[] | null;
  readonly stopped: boolean;
}

export const UNCHANGED: Changes = { rates: null, stopped: false };

/** The groups with the rates that they have now. */
export function groupsWith<Group extends Pick<ParameterGroup, 'lr'>>(
  groups: readonly Group[],
  { rates }: Changes,
): readonly Group[] {
  if (rates === null) return groups;
  return groups.map((group, index) => ({ ...group, lr: rates[index] ?? group.lr }));
}

/** The control of one call, and what it has come to. */
export class ChangingControl implements EpochControl {
  readonly #names: readonly string[];
  readonly #epoch: number;
  #lr: readonly number[];
  #changes: Changes;
  #open = true;

  constructor(groups: readonly ParameterGroup[], before: Changes, epoch: number) {
    this.#names = groups.map(({ name }) => name);
    this.#lr = groupsWith(groups, before).map(({ lr }) => lr);
    this.#changes = before;
    this.#epoch = epoch;
  }

  get rates(): readonly GroupRate[] {
    return this.#names.map((group, index) => ({ group, lr: this.#lr[index] ?? 0 }));
  }

  stop(): void {
    this.#requireOpen();
    this.#changes = { ...this.#changes, stopped: true };
  }

  setRate(group: string, lr: number): void {
    this.#requireOpen();
    const changed = this.#indexOf(group);
    requireNumber(lr, `The rate of ${group}`, { min: 0 });
    this.#setAll(this.#lr.map((rate, index) => (index === changed ? lr : rate)));
  }

  scaleRates(factor: number): void {
    this.#requireOpen();
    requireNumber(factor, 'The factor of scaleRates()', { exclusiveMin: 0 });
    this.#setAll(
      this.#lr.map((rate, index) => requireNumber(rate * factor, `The scaled rate of ${this.#names[index]}`)),
    );
  }

  /** No change is taken any more; answers all of them. */
  close(): Changes {
    this.#open = false;
    return this.#changes;
  }

  #setAll(rates: readonly number[]): void {
    this.#lr = rates;
    this.#changes = { ...this.#changes, rates };
  }

  #indexOf(group: string): number {
    const index = this.#names.indexOf(group);
    if (index !== -1) return index;
    const near = nearest(String(group), this.#names);
    const help = near === undefined ? `There are ${this.#names.join(', ')}.` : `Did you mean ${near}?`;
    throw invalidArgument(`There is no parameter group ${JSON.stringify(group)}. ${help}`);
  }

  #requireOpen(): void {
    if (this.#open) return;
    throw new ResnetTorchError(
      'ERR_DISPOSED',
      `The onEpoch callback of epoch ${this.#epoch} is over, and its control with it. Await all work before it returns.`,
    );
  }
}
