import { invalidArgument } from '../options.js';
import { type CreateOptions, createParts } from './create.js';
import { type LoadOptions, loadParts } from './load.js';
import { ResNet } from './network.js';

const ARCH = 'resnet50';

/** A ResNet-50: `ResNet` with its `arch` given, and refusing what is of another. */
export class ResNet50 extends ResNet {
  /**
   * As `ResNet.create()`, of a ResNet-50.
   *
   * @throws what that throws
   */
  static override async create(options: Omit<CreateOptions, 'arch'>): Promise<ResNet50> {
    if ((options as CreateOptions | null)?.arch !== undefined) {
      throw invalidArgument('ResNet50.create() makes a resnet50. Leave arch out, or use ResNet.create({ arch }).');
    }
    return new ResNet50(await createParts(options, 'ResNet50.create()'));
  }

  /**
   * As `ResNet.load()`, of a ResNet-50.
   *
   * @throws what that throws; ERR_SHAPE_MISMATCH when it is of another member of the family
   */
  static override async load(checkpointOrRun: string, options: LoadOptions = {}): Promise<ResNet50> {
    return new ResNet50(await loadParts(checkpointOrRun, options, { arch: ARCH, caller: 'ResNet50.load()' }));
  }
}
