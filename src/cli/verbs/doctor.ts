/** `doctor`: what usually goes wrong, looked at in the order in which it would stop you. */

import { PlatformError } from '../../core/errors.ts';
import type { CliContext, CliEvent, Invocation } from '../command.ts';
import { result } from '../command.ts';
import {
  checkClients,
  checkConfig,
  checkDataFolder,
  checkIssuers,
  checkNode,
  checkPort,
  checkProxy,
  checkStore,
} from '../doctor-checks.ts';
import type { Check } from '../doctor-checks.ts';
import { checkInstance } from '../doctor-instance.ts';
import { EXIT } from '../exit-codes.ts';
import { dataDirOf, isAlive, readInstanceFile } from '../instance.ts';
import type { Style } from '../style.ts';
import { oneLine } from '../style.ts';

export async function* doctor(invocation: Invocation, context: CliContext): AsyncGenerator<CliEvent, number> {
  const only = invocation.text('only') ?? '';
  const all = await allChecks(invocation, context);
  const checks = all.filter((check) => check.name.startsWith(only));
  if (checks.length === 0) throw noSuchCheck(only, all);
  const failed = checks.filter((check) => check.status === 'fail').length;
  yield result(checks, (style) => doctorText(checks, failed, style));
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

/** A misspelt name must not read as a clean bill of health. */
function noSuchCheck(only: string, all: readonly Check[]): PlatformError {
  const names = all.map((check) => check.name).join(', ');
  return new PlatformError('USAGE', `No check begins with "${only}". There are: ${names}.`, {
    next: 'zeroplane doctor',
  });
}

async function allChecks(invocation: Invocation, context: CliContext): Promise<Check[]> {
  const configPath = invocation.text('config');
  const dataDir = dataDirOf(invocation, context);
  const options: Parameters<typeof checkConfig>[0] = {
    cwd: context.cwd,
    env: context.env,
    dataDir,
    ...(configPath === undefined ? {} : { configPath }),
  };
  const { checks, loaded } = await checkConfig(options);
  const found = [
    checkNode(process.version),
    ...checks,
    ...(await checkDataFolder(dataDir)),
    ...checkProxy(context.env),
  ];
  const isOffline = invocation.isSet('offline');
  if (!isOffline && loaded !== undefined) found.push(...(await checkIssuers(loaded)));
  const instance = isOffline ? undefined : await readInstanceFile(dataDir);
  const isRunning = instance !== undefined && isAlive(instance.pid);
  if (!isRunning) found.push(...(await checkStore(dataDir)));
  if (!isRunning && loaded !== undefined) found.push(await checkPort(loaded.config.host, loaded.config.port));
  if (isRunning)
    found.push(
      { name: 'instance', status: 'pass', observed: `process ${instance.pid}` },
      ...(await checkInstance(instance, context.version)),
    );
  else found.push(notRunning(isOffline));
  return [...found, ...(await checkClients(context.cwd, isRunning ? `${instance.url}/mcp` : undefined))];
}

function notRunning(isOffline: boolean): Check {
  if (isOffline) return { name: 'instance', status: 'skip', observed: 'not asked (--offline)' };
  return { name: 'instance', status: 'skip', observed: 'none runs for this data folder', action: 'zeroplane dev' };
}

const MARKS = { pass: 'ok  ', warn: 'warn', fail: 'FAIL', skip: 'skip' } as const;
const PAINTS = { pass: 'good', warn: 'warn', fail: 'bad', skip: 'dim' } as const;

function doctorText(checks: readonly Check[], failed: number, style: Style): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  const lines = checks.flatMap((check) => {
    const line = `  ${style[PAINTS[check.status]](MARKS[check.status])}  ${oneLine(check.name, 60).padEnd(width)}  ${oneLine(check.observed, 400)}`;
    return check.action === undefined
      ? [line]
      : [line, `        ${' '.repeat(width)}${style.dim(`next: ${oneLine(check.action, 300)}`)}`];
  });
  const verdict =
    failed === 0 ? style.good('Nothing is in the way.') : style.bad(`${failed} of ${checks.length} checks failed.`);
  return `${lines.join('\n')}\n\n  ${verdict}`;
}
