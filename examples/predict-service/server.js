import fastify from 'fastify';
import { Predictor, ResnetTorchError } from 'resnet-torch';

const predictor = await Predictor.load(process.env.MODEL ?? 'runs/photos', { maxQueue: 64 });
const topK = Math.min(3, predictor.classes.length);
const app = fastify({ bodyLimit: 16 * 2 ** 20 });

// The body as it comes: bytes of an image.
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

app.post('/label', async (request, reply) => {
  try {
    const { predictions } = await predictor.predict(request.body, { topK, timeoutMs: 5000 });
    return { predictions };
  } catch (error) {
    if (!(error instanceof ResnetTorchError)) throw error;
    return reply.code(statusOf(error)).send({ code: error.code, message: error.message });
  }
});

app.get('/health', async () => ({ classes: predictor.classes }));

/** @param {ResnetTorchError} error */
function statusOf({ code }) {
  if (code === 'ERR_IMAGE_DECODE' || code === 'ERR_INVALID_ARGUMENT') return 400;
  return code === 'ERR_OVERLOADED' || code === 'ERR_DEADLINE' ? 503 : 500;
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await app.close();
    predictor.dispose();
  });
}

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }));
