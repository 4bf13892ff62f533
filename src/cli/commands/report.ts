import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { jsonOption } from '../options.js';
import { createOutput } from '../output.js';
import { describeRuns } from '../runs-output.js';
import { tellNotes } from '../tell-notes.js';

interface ReportArguments extends InferredOptionTypes<typeof jsonOption> {
  readonly runs: readonly string[];
}

export const reportCommand: CommandModule<object, ReportArguments> = {
  command: 'report <runs..>',
  describe: 'Show runs side by side: results, and what differs',
  builder: (cli) =>
    cli
      .positional('runs', {
        type: 'string',
        array: true,
        demandOption: true,
        description: 'Run directories: of runs that have ended, go on, or were killed',
      })
      .options(jsonOption)
      .example('$0 report runs/bees', 'how a run fared')
      .example('$0 report runs/*', 'several side by side, and what differs')
      .example('$0 report runs/* --json', '{ runs: [{ path, status, settings, epochs, best, … }], differences }')
      .epilogue(
        'Reads config.json and events.jsonl alone; what was trained may have been moved away.',
      ) as unknown as Argv<ReportArguments>,
  handler: reportRuns,
};

async function reportRuns(args: ArgumentsCamelCase<ReportArguments>): Promise<void> {
  const { readRun } = await import('../../report/read-run.js');
  const { differencesOf } = await import('../../report/differences.js');
  const output = createOutput({ json: args.json === true });
  const runs = [];
  for (const path of args.runs) runs.push(await readRun(path));
  const differences = differencesOf(runs);
  if (args.json === true) {
    output.json({ runs, differences });
    return;
  }
  output.print(describeRuns(runs, differences));
  for (const { notes } of runs) tellNotes(notes, output);
}
