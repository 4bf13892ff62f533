import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { number } from '../../option-text.js';
import { type FlagArguments, flags, flagsIn } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { jsonOption, withRanges } from '../options.js';
import { createOutput } from '../output.js';

const options = {
  outputs: {
    requiresArg: true,
    description: "Classes that the head is to tell apart; default: the model's own, else 1000",
    coerce: number('outputs', { integer: true, min: 1 }),
  },
  tensors: { type: 'boolean', description: "List every tensor of the model's file" },
  ...jsonOption,
} as const;

const PLAN = flagsIn('plan');

interface InspectArguments extends InferredOptionTypes<typeof options>, FlagArguments<(typeof PLAN)[number]> {
  readonly model?: string | undefined;
}

export const inspectCommand: CommandModule<object, InspectArguments> = {
  command: 'inspect [model]',
  describe: 'Show units, what trains, groups and rates; what is in a file; and this machine',
  builder: (cli) =>
    cli
      .positional('model', { type: 'string', description: 'A run directory, a checkpoint or a weights file' })
      .options({ ...withRanges(options), ...flags(PLAN) })
      .example('$0 inspect', 'the default strategy by unit, versions, and what a report of a fault needs')
      .example('$0 inspect --strategy partial --head-lr 1e-3', 'what flags of train would do')
      .example('$0 inspect --arch resnet18', 'the units of another member of the family')
      .example('$0 inspect runs/bees', 'classes, tensors and metadata of a run')
      .epilogue('Nothing is trained or changed.') as Argv<InspectArguments>,
  handler: (args) => interruptible(() => inspect(args)),
};

async function inspect(args: ArgumentsCamelCase<InspectArguments>): Promise<void> {
  const { readModelSource } = await import('../../model/model-source.js');
  const { checkWeights } = await import('../../model/check-weights.js');
  const { modelReport, planReport, readRunSettings, runPlanReport, showModel, showPlan } = await import('../report.js');
  const { DEFAULT_ARCHITECTURE } = await import('../../model/architecture.js');
  const { headShape } = await import('../../model/head.js');
  const { refuseOtherMember } = await import('../../model/weights/family.js');
  const { strategyFromArguments } = await import('../plan.js');
  const { describeSystem, systemInfo } = await import('../system.js');

  const output = createOutput({ json: args.json === true });
  const source = args.model === undefined ? undefined : await readModelSource(args.model);
  const notes = source === undefined ? [] : await checkWeights(source);
  const asked = PLAN.some((name) => args[name] !== undefined);
  const settings = asked || source === undefined ? null : await readRunSettings(source);
  if (source !== undefined && args.arch !== undefined) refuseOtherMember(source.path, source.arch, args.arch);
  const arch = source?.arch ?? args.arch ?? DEFAULT_ARCHITECTURE;
  const strategy = strategyFromArguments(args, arch);
  // A file's head is what it is; without one, and with flags for another, it is the strategy's.
  const own = source !== undefined && args.head === undefined ? source.head : undefined;
  const head = headShape(args.outputs ?? source?.head.classes ?? 1000, {
    ...strategy.head,
    ...(own === undefined ? {} : { hidden: own.hidden, dropout: args.dropout ?? own.dropout }),
  });
  const plan = settings === null ? planReport(strategy, { arch, head }) : runPlanReport(settings, { arch, head });
  const model = source === undefined ? null : modelReport(source, notes);
  const system = systemInfo();
  if (args.json === true) {
    output.json({ model, plan, system });
    return;
  }
  if (model !== null) output.print(`${showModel(model, args.tensors === true)}\n`);
  output.print(`${showPlan(plan)}\n`);
  output.print(describeSystem(system));
}
