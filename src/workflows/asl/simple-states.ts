/** The states that call nobody: Pass, Choice, Wait, Succeed and Fail. */

import type { JsonValue } from '../../core/ports.ts';
import { ruleMatches, timeOf } from './choice.ts';
import { dynamicField, evaluateField, fillField, numberField, selectField, selectPath } from './fields.ts';
import type { StateFields } from './machine.ts';
import type { StateEnd } from './output.ts';
import { assignedBy, endInJsonata, endOf, withResult } from './output.ts';
import type { StateRun } from './state-run.ts';
import { STATES, StatesError } from './states-error.ts';

export async function runPass(run: StateRun): Promise<StateEnd> {
  if (run.state.language === 'JSONata') return endInJsonata(run, {}, run.input);
  const { Result: fixed, Parameters: template } = run.state.fields;
  const selected = selectField(run, 'InputPath', run.input);
  const payload = template === undefined ? selected : await fillField(run, 'Parameters', { template, input: selected });
  const result = fixed === undefined ? payload : fixed;
  const output = selectField(run, 'OutputPath', withResult(run, run.state.fields, result));
  return endOf(run, output, await assignedBy(run, run.state.fields, { input: result }));
}

export async function runSucceed(run: StateRun): Promise<StateEnd> {
  if (run.state.language === 'JSONata') return endInJsonata(run, {}, run.input);
  return endOf(run, selectField(run, 'OutputPath', selectField(run, 'InputPath', run.input)), undefined);
}

/** Never returns: it fails the machine, the branch or the iteration that it stands in. */
export async function runFail(run: StateRun): Promise<never> {
  const error = await failText(run, 'Error');
  throw new StatesError(error, await failText(run, 'Cause'), run.prefix);
}

async function failText(run: StateRun, field: 'Error' | 'Cause'): Promise<string> {
  const path = run.state.fields[`${field}Path`];
  const given = run.state.fields[field];
  if (typeof path !== 'string' && given === undefined) return '';
  const value =
    typeof path === 'string'
      ? await dynamicField(run, `${field}Path`, path)
      : run.state.language === 'JSONata'
        ? await evaluateField(run, field, { template: given ?? null })
        : (given ?? null);
  if (typeof value === 'string') return value;
  const name = run.state.language === 'JSONata' ? STATES.query : STATES.runtime;
  throw run.failure(name, `The field '${field}' must be a string.`);
}

// ------------------------------------------------------------------------------------------------ Choice

export async function runChoice(run: StateRun): Promise<StateEnd> {
  const rules = run.state.fields['Choices'] as readonly StateFields[];
  return run.state.language === 'JSONata' ? chooseInJsonata(run, rules) : chooseInJsonPath(run, rules);
}

async function chooseInJsonPath(run: StateRun, rules: readonly StateFields[]): Promise<StateEnd> {
  const input = selectField(run, 'InputPath', run.input);
  const rule = rules.find((each) => ruleMatches(run, each, input));
  const fields = rule ?? run.state.fields;
  const next = nextOf(run, rule);
  const assigned = await assignedBy(run, fields, { input });
  return { output: selectField(run, 'OutputPath', input), next, ...(assigned === undefined ? {} : { assigned }) };
}

async function chooseInJsonata(run: StateRun, rules: readonly StateFields[]): Promise<StateEnd> {
  let rule: StateFields | undefined;
  for (const [index, each] of rules.entries()) {
    if (!(await conditionHolds(run, each['Condition'] ?? null, index))) continue;
    rule = each;
    break;
  }
  // What the state itself says of Output and Assign is for when no rule matches.
  const fields = rule ?? run.state.fields;
  const next = nextOf(run, rule);
  const { Output: template } = fields;
  const output = template === undefined ? run.input : await evaluateField(run, 'Output', { template });
  const assigned = await assignedBy(run, fields, { input: run.input });
  return { output, next, ...(assigned === undefined ? {} : { assigned }) };
}

async function conditionHolds(run: StateRun, template: JsonValue, index: number): Promise<boolean> {
  const field = `Choices[${index}]/Condition`;
  const value = await evaluateField(run, field, { template, purpose: `condition-${index}` });
  if (typeof value === 'boolean') return value;
  throw run.failure(STATES.query, `The field '${field}' must be true or false.`);
}

function nextOf(run: StateRun, rule: StateFields | undefined): string {
  const next = rule === undefined ? run.state.fields['Default'] : rule['Next'];
  if (typeof next === 'string') return next;
  throw run.failure(STATES.noChoice, 'No rule matched, and there is no Default.');
}

// -------------------------------------------------------------------------------------------------- Wait

/** What a durable wait may last: a year, as long as an execution may. */
const LONGEST_WAIT_SECONDS = 31_622_400;
const LARGEST_SECONDS = 99_999_999;

export async function runWait(run: StateRun): Promise<StateEnd> {
  const seconds = await secondsToWait(run);
  if (seconds > 0) {
    await run.lane.context.wait(run.operation(), { seconds: Math.min(seconds, LONGEST_WAIT_SECONDS) });
    run.lane.check();
  }
  if (run.state.language === 'JSONata') return endInJsonata(run, {}, run.input);
  const input = selectField(run, 'InputPath', run.input);
  return endOf(run, selectField(run, 'OutputPath', input), await assignedBy(run, run.state.fields, { input }));
}

async function secondsToWait(run: StateRun): Promise<number> {
  const seconds = await numberField(run, 'Seconds', [0, LARGEST_SECONDS]);
  if (seconds !== undefined) return seconds;
  const value = await timestampOf(run);
  const until = timeOf(value);
  if (until === undefined) {
    const name = run.state.language === 'JSONata' ? STATES.query : STATES.runtime;
    throw run.failure(name, `The timestamp must be like 2026-01-31T10:00:00Z, not ${JSON.stringify(value)}.`);
  }
  const { execution, clock } = run.lane.session.host;
  // A replay may come when the time has passed, and must find the wait that was recorded. Only a time before the
  // execution began was past in every run.
  if (until <= Date.parse(execution.startTime)) return 0;
  return Math.max(1, Math.ceil((until - clock.nowMs()) / 1000));
}

async function timestampOf(run: StateRun): Promise<JsonValue> {
  const { TimestampPath: path, Timestamp: given } = run.state.fields;
  if (typeof path === 'string') {
    return selectPath(run, 'TimestampPath', { text: path, from: selectField(run, 'InputPath', run.input) });
  }
  const template = given ?? null;
  return run.state.language === 'JSONata' ? evaluateField(run, 'Timestamp', { template }) : template;
}
