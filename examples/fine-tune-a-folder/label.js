import { parseArgs } from 'node:util';
import { Predictor } from 'resnet-torch';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { run: { type: 'string', default: 'runs/photos' } },
});

const predictor = await Predictor.load(values.run);
try {
  // Files that cannot be read are told of, and the others are labelled.
  for await (const entry of predictor.stream(positionals, { topK: 1, stopOnError: false })) {
    if ('error' in entry) {
      console.error(entry.error.message);
      process.exitCode = 1;
      continue;
    }
    const [best] = entry.predictions;
    console.log(`${entry.file}\t${best?.label}\t${best?.probability.toFixed(3)}`);
  }
} finally {
  predictor.dispose();
}
