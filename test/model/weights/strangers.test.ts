import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ArchitectureName } from '../../../src/model/architecture.js';
import { matchWeights, openWeights, type WeightsMatch } from '../../../src/model/weights/index.js';
import { backboneOf, linear, type NamedShape, prefixed, stateDict, torchFile } from '../../support/networks.js';
import { temporaryDirectory } from '../../support/paths.js';
import { dict, type Pickled, text } from '../../support/pickle.js';

/** A network and what its trainer keeps beside it, under keys. */
type Keys = Readonly<Record<string, readonly NamedShape[]>>;

const BACKBONE = backboneOf();
const SMALL = backboneOf({ blocks: [2, 2, 2, 2], kind: 'basic' });

/** The records of the first key differ from those of the others. */
function nested(keys: Keys): Pickled {
  return dict(
    ...Object.entries(keys).map(([key, tensors], index): readonly [Pickled, Pickled] => [
      text(key),
      stateDict(tensors, index === 0 ? '0' : '1'),
    ]),
  );
}

/** What goes from a file into a model with a linear head for so many classes. */
async function match(t: TestContext, file: Pickled, arch: ArchitectureName, classes: number): Promise<WeightsMatch> {
  const path = join(await temporaryDirectory(t), 'weights.pth');
  await writeFile(path, torchFile(file, { '0': 0.01, '1': 0.02 }));
  const small = arch === 'resnet18';
  const model = [...(small ? SMALL : BACKBONE), ...linear('fc', classes, true, small ? 512 : 2048)];
  const expected = model.map(([name, shape]) => ({ name, shape, kind: 'parameter' as const }));
  return matchWeights(await openWeights(path), expected, arch);
}

interface Case {
  readonly what: string;
  readonly file: Pickled;
  readonly arch?: ArchitectureName;
  readonly classes?: number;
  readonly head: WeightsMatch['head'];
  /** What the notes say, in their order. */
  readonly notes: readonly RegExp[];
}

const MOCO = [...BACKBONE, ...linear('fc', 128)];
const QUEUE: readonly NamedShape[] = [
  ['module.queue', [128, 64]],
  ['module.queue_ptr', [1]],
];
/** One dict with the encoder that trains and the one that follows it. */
const MOCO_V1 = `${stateDict([...prefixed('module.encoder_q.', MOCO), ...QUEUE], '0')}${stateDict(prefixed('module.encoder_k.', MOCO), '1').slice(1)}`;
const MOCO_V2 = prefixed('module.encoder_q.', [...BACKBONE, ...linear('fc.0', 2048), ['fc.2.weight', [128, 2048]]]);
const DINO_HEAD: readonly NamedShape[] = [
  ['head.mlp.0.weight', [2048, 2048]],
  ['head.last_layer.weight_v', [64, 256]],
];

const CASES: readonly Case[] = [
  {
    what: "timm's resnet50.a1_in1k, which has torchvision's names",
    file: stateDict([...BACKBONE, ...linear('fc', 1000)]),
    classes: 1000,
    head: 'loaded',
    notes: [],
  },
  {
    what: "timm's resnet18 with other classes than the model",
    file: stateDict([...SMALL, ...linear('fc', 1000, true, 512)]),
    arch: 'resnet18',
    head: 'skipped',
    notes: [/The head was not loaded.*fc\.weight \[1000, 512\], the model has fc\.weight \[10, 512\]/],
  },
  {
    what: "timm's own checkpoints: averaged weights before the others",
    file: nested({ state_dict_ema: [...BACKBONE, ...linear('fc', 10)], state_dict: BACKBONE }),
    head: 'loaded',
    notes: [/under "state_dict_ema"\. Not taken: the names without a prefix under "state_dict"/],
  },
  {
    what: "torchvision's references: model_ema before model",
    file: nested({ model_ema: prefixed('module.', [...BACKBONE, ...linear('fc', 10)]), model: BACKBONE }),
    head: 'loaded',
    notes: [/under "model_ema"\. Not taken: the names without a prefix under "model"/],
  },
  {
    what: 'Lightning',
    file: nested({ state_dict: prefixed('model.', [...SMALL, ...linear('fc', 10, true, 512)]) }),
    arch: 'resnet18',
    head: 'loaded',
    notes: [/taken from the names that begin with "model\." under "state_dict"/],
  },
  {
    what: 'an encoder',
    file: stateDict(prefixed('encoder.', BACKBONE)),
    head: 'skipped',
    notes: [/begin with "encoder\."/, /hold no head/],
  },
  {
    what: 'DINO, the whole checkpoint',
    file: nested({
      teacher: [...prefixed('backbone.', BACKBONE), ...DINO_HEAD],
      student: [...prefixed('module.backbone.', BACKBONE), ...prefixed('module.', DINO_HEAD)],
    }),
    head: 'skipped',
    notes: [
      /begin with "backbone\." under "teacher"\. Not taken: .*"module\.backbone\." under "student"/,
      /hold no head/,
      /Not used, since a resnet50 has no tensors of these names: head\.mlp\.0\.weight, head\.last_layer\.weight_v/,
    ],
  },
  {
    what: 'DINO and Barlow Twins, the backbone that is published',
    file: stateDict(BACKBONE),
    head: 'skipped',
    notes: [/hold no head/],
  },
  {
    what: 'Barlow Twins, the whole checkpoint',
    file: nested({
      model: [...prefixed('module.backbone.', BACKBONE), ['module.projector.0.weight', [8192, 2048]]],
    }),
    head: 'skipped',
    notes: [/begin with "module\.backbone\." under "model"/, /hold no head/, /Not used.*module\.projector\.0\.weight/],
  },
  {
    what: 'SwAV',
    file: stateDict([
      ...prefixed('module.', BACKBONE),
      ['module.projection_head.0.weight', [2048, 2048]],
      ['module.prototypes.weight', [3000, 128]],
    ]),
    head: 'skipped',
    notes: [/hold no head/, /Not used.*module\.projection_head\.0\.weight, module\.prototypes\.weight/],
  },
  {
    what: 'MoCo v1, whose fc is a projector',
    file: dict([text('state_dict'), MOCO_V1]),
    classes: 128,
    head: 'skipped',
    notes: [
      /begin with "module\.encoder_q\." under "state_dict"\. Not taken: .*"module\.encoder_k\."/,
      /hold no head/,
      /Not used.*module\.encoder_q\.fc\.weight.*module\.queue, module\.queue_ptr/,
    ],
  },
  {
    what: 'MoCo v2, whose fc is a projector of two layers',
    file: nested({ state_dict: MOCO_V2 }),
    head: 'skipped',
    notes: [/"module\.encoder_q\."/, /hold no head/, /Not used.*module\.encoder_q\.fc\.0\.weight/],
  },
];

for (const { what, file, arch = 'resnet50', classes = 10, head, notes } of CASES) {
  test(`${what}: the network is taken whole, and what was taken and left is said`, async (t) => {
    const found = await match(t, file, arch, classes);
    assert.equal(found.head, head);
    const network = arch === 'resnet18' ? SMALL : BACKBONE;
    assert.deepEqual(
      found.load.map(({ name }) => name).filter((name) => !name.startsWith('fc.')),
      network.map(([name]) => name),
    );
    const said = found.notes.map(({ message }) => message);
    assert.equal(said.length, notes.length, said.join('\n'));
    for (const [index, note] of notes.entries()) assert.match(said[index] ?? '', note);
  });
}
