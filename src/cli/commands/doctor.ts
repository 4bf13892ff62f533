import type { ArgumentsCamelCase, Argv, CommandModule, InferredOptionTypes } from 'yargs';
import { ResnetTorchError } from '../../errors.js';
import { jsonOption } from '../options.js';
import { createOutput } from '../output.js';

type DoctorArguments = InferredOptionTypes<typeof jsonOption>;

export const doctorCommand: CommandModule<object, DoctorArguments> = {
  command: 'doctor',
  describe: 'Say what is installed, which devices there are, and what to do where something is wrong',
  builder: (cli) =>
    cli
      .options(jsonOption)
      .example('$0 doctor', 'versions, variants, driver, devices, and what to do')
      .example('$0 doctor --json', 'the same for programs')
      .epilogue(
        'Exits with 0 where the package can be used, on whatever device, and with 1 where not.',
      ) as Argv<DoctorArguments>,
  handler: doctor,
};

async function doctor(args: ArgumentsCamelCase<DoctorArguments>): Promise<void> {
  const { examine } = await import('../doctor-examine.js');
  const { diagnose, showDoctor } = await import('../doctor-report.js');
  const output = createOutput({ json: args.json === true });
  const report = diagnose(await examine());
  if (args.json === true) output.json(report);
  else output.print(showDoctor(report));
  if (!report.usable) {
    throw new ResnetTorchError('ERR_SETUP', 'The package cannot be used here; what is printed above says why.');
  }
}
