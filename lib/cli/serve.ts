import { readFileSync } from 'node:fs';
import { UsageError } from '../errors.js';
import type { ServerOptions } from '../serve/index.js';
import { parseCommand, usageError, wholeNumber } from './arguments.js';

const HELP = `Usage: dsrl-native serve <run | checkpoint | policy> [options]

Serves a policy over openpi's websocket protocol, so that an openpi client on a robot can ask it for
actions: keys observation/image, observation/wrist_image, observation/state and prompt in, actions
[horizon, action dim] out. GET /healthz says OK. A run or a checkpoint serves the frozen policy as
its agent steers it. Ctrl-C answers what is being computed, then ends.

  --host HOST            where to listen (127.0.0.1); anything but loopback needs a key
  --port PORT            8000; 0 takes a free one
  --api-key-file FILE    clients have to send what stands in it: Authorization: Api-Key <key>
  --batch-window-ms MS   how long to wait for more requests that share a computation (0)
  --largest-batch N      requests that share one at most (16)
  --max-clients N        64; one more is answered 503
  --max-message-bytes N  67108864; a larger request closes its connection with 1009
  --client-timeout-ms MS how long a client may take to shake hands or to read an answer (10000)
  --policy DIR           the frozen policy of a checkpoint, where it has moved
  --device D             auto, cpu, cuda or cuda:N
  -h, --help

Examples:
  dsrl-native serve logs/tabletop-<time>-s0
  dsrl-native serve policies/pi0_libero --host 0.0.0.0 --api-key-file key.txt
`;

const OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string' },
  'api-key-file': { type: 'string' },
  'batch-window-ms': { type: 'string' },
  'largest-batch': { type: 'string' },
  'max-clients': { type: 'string' },
  'max-message-bytes': { type: 'string' },
  'client-timeout-ms': { type: 'string' },
  policy: { type: 'string' },
  device: { type: 'string' },
} as const;

/** `dsrl-native serve`: prints the address on stdout once it listens. */
export async function runServe(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('serve', argv, OPTIONS);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [folder, ...surplus] = positionals;
  if (folder === undefined) throw usageError('serve', 'no run, checkpoint or policy folder');
  if (surplus.length > 0) throw usageError('serve', `\`${surplus[0]}\` is one folder too many`);
  const { Policy } = await import('../policy/index.js');
  const { checkServer, serve } = await import('../serve/index.js');
  const { stoppable } = await import('./signals.js');
  const options = serverOptions(values);
  checkServer(options); // before a policy is read for a minute
  const { device = 'auto', policy: frozen } = values;
  const policy = await Policy.load(folder, { device, ...(frozen && { policy: frozen }) });
  const server = await serve(policy, options);
  process.stdout.write(`${server.url}\n`);
  process.stderr.write(`serving ${policy.metadata.name}; Ctrl-C ends\n`);
  const { stopped } = await stoppable(
    async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await server.close();
    },
    {
      first: (name) => process.stderr.write(`${name}: answering what is under way\n`),
      second: (name) => process.stderr.write(`${name} again: stopped at once\n`),
    },
    () => 'type the same command to serve again',
  );
  policy.dispose();
  if (stopped !== null) throw stopped;
  return 0;
}

type Words = Partial<Record<keyof typeof OPTIONS, string>>;

function serverOptions(values: Words): ServerOptions {
  const number = (name: keyof typeof OPTIONS, least = 0) => {
    const text = values[name];
    return text === undefined ? undefined : wholeNumber('serve', name, text, least);
  };
  const keyFile = values['api-key-file'];
  return {
    host: values.host,
    port: number('port'),
    batchWindowMs: number('batch-window-ms'),
    largestBatch: number('largest-batch', 1),
    maxClients: number('max-clients', 1),
    maxMessageBytes: number('max-message-bytes', 1_024),
    clientTimeoutMs: number('client-timeout-ms', 1),
    apiKey: keyFile === undefined ? undefined : readKey(keyFile),
  };
}

function readKey(file: string): string {
  let key = '';
  try {
    key = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new UsageError('ERR_DSRL_SERVE_KEY', `${file} cannot be read`, {
      hint: 'give a file that holds the key on one line',
      cause,
    });
  }
  if (key !== '') return key;
  throw new UsageError('ERR_DSRL_SERVE_KEY', `${file} is empty`, {
    hint: 'give a file that holds the key on one line',
  });
}
