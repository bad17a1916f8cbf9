/** Parallel and Map. */

import { isObject } from '../../core/json.ts';
import type { JsonValue } from '../../core/ports.ts';
import { fromDurable } from './durable-errors.ts';
import { evaluateField, fillField, numberField, selectField, selectPath } from './fields.ts';
import { record } from './history.ts';
import type { Lane } from './lane.ts';
import type { Batch, LaneJob } from './lane-runner.ts';
import { runBatch } from './lane-runner.ts';
import type { StateGroup } from './machine.ts';
import type { StateRun } from './state-run.ts';
import { STATES, StatesError } from './states-error.ts';

export type RunGroup = (lane: Lane, group: StateGroup, input: JsonValue) => Promise<JsonValue>;

/** Iterations of a Map that the service runs at once at most. */
const MOST_AT_ONCE = 40;
/** Iterations of one Map; the operations of an execution are limited as well. */
const MOST_ITEMS = 10_000;

export async function attemptParallel(run: StateRun, runGroup: RunGroup): Promise<JsonValue> {
  const input = await parallelInput(run);
  run.data(input, `The input of the branches of '${run.state.name}'`);
  record(run, 'ParallelStateStarted');
  const { units } = run.work;
  const jobs = run.state.branches.map((branch, index): LaneJob => ({
    path: `${run.path}.${index}`,
    run: (lane) => {
      lane.begins(index, units);
      return runGroup(lane, branch, input);
    },
  }));
  return perform(run, { jobs, concurrency: jobs.length, failed: (error) => error });
}

async function parallelInput(run: StateRun): Promise<JsonValue> {
  const { Parameters: template, Arguments: args } = run.state.fields;
  if (run.state.language === 'JSONata') {
    return args === undefined ? run.input : evaluateField(run, 'Arguments', { template: args });
  }
  const selected = selectField(run, 'InputPath', run.input);
  return template === undefined ? selected : fillField(run, 'Parameters', { template, input: selected });
}

async function perform(run: StateRun, batch: Batch): Promise<JsonValue> {
  const { type } = run.state;
  try {
    const results = await runBatch(run, batch);
    record(run, `${type}StateSucceeded`);
    return results;
  } catch (thrown) {
    const error = fromDurable(thrown);
    if (error instanceof StatesError) record(run, `${type}StateFailed`);
    throw error;
  }
}

// --------------------------------------------------------------------------------------------------- Map

export async function attemptMap(run: StateRun, runGroup: RunGroup): Promise<JsonValue> {
  const { processor } = run.state;
  if (processor === undefined) throw run.failure(STATES.runtime, 'It has no ItemProcessor.');
  const items = await itemsOf(run);
  const concurrency = await numberField(run, 'MaxConcurrency', [0, MOST_ITEMS]);
  const tolerated = await toleranceOf(run, items.length);
  record(run, 'MapStateStarted', { member: 'mapStateStartedEventDetails', details: { length: items.length } });
  const jobs = items.map((item, index) =>
    jobFor(run, { item, index }, (lane, input) => runGroup(lane, processor, input)),
  );
  const failed = (error: StatesError, failures: number): StatesError | undefined => {
    if (tolerated === undefined) return error;
    return failures <= tolerated ? undefined : exceeded(run, error, failures);
  };
  return perform(run, { jobs, concurrency: Math.min(concurrency || MOST_AT_ONCE, MOST_AT_ONCE), failed });
}

function exceeded(run: StateRun, error: StatesError, failures: number): StatesError {
  const why = `${failures} items failed, more than are tolerated. The last failed with ${error.error}: ${error.cause}`;
  return new StatesError(STATES.threshold, why.slice(0, 2000), error.failedPath ?? run.prefix);
}

interface Item {
  readonly value: JsonValue;
  /** Of an item of an object. */
  readonly key?: string;
}

function jobFor(
  run: StateRun,
  { item, index }: { item: Item; index: number },
  runItem: (lane: Lane, input: JsonValue) => Promise<JsonValue>,
): LaneJob {
  const { value, key } = item;
  const details = { name: run.state.name, index };
  const tell = (type: string): void => {
    const member = `mapIteration${type}EventDetails`;
    record(run, `MapIteration${type}`, { member, details, detail: String(index) });
  };
  return {
    path: `${run.path}[${index}]`,
    mapItem: { Item: { Index: index, Value: value, ...(key === undefined ? {} : { Key: key }) } },
    run: async (lane) => {
      const inner = run.within(lane);
      const input = await iterationInput(inner, { item, index });
      inner.data(input, `The input of iteration ${index} of '${run.state.name}'`);
      lane.begins(index, inner.work.units);
      return runItem(lane, input);
    },
    started: () => tell('Started'),
    ended: tell,
  };
}

/** What ItemSelector makes of an item, seen with the item in the context object; the item itself without one. */
async function iterationInput(run: StateRun, { item, index }: { item: Item; index: number }): Promise<JsonValue> {
  const { ItemSelector: selector, Parameters: legacy } = run.state.fields;
  const template = selector ?? legacy;
  if (template === undefined) return item.key === undefined ? item.value : { Key: item.key, Value: item.value };
  const purpose = `item-${index}`;
  if (run.state.language === 'JSONata') return evaluateField(run, 'ItemSelector', { template, purpose });
  const input = selectField(run, 'InputPath', run.input);
  return fillField(run, 'ItemSelector', { template, input, purpose });
}

async function itemsOf(run: StateRun): Promise<Item[]> {
  const value = await itemsValue(run);
  const items = Array.isArray(value)
    ? (value as readonly JsonValue[]).map((each) => ({ value: each }))
    : isObject(value)
      ? Object.entries(value as { [key: string]: JsonValue }).map(([key, each]) => ({ key, value: each }))
      : undefined;
  const name = run.state.language === 'JSONata' ? STATES.query : STATES.runtime;
  if (items === undefined) throw run.failure(name, 'The items of a Map must be an array or an object.');
  if (items.length > MOST_ITEMS) throw run.failure(STATES.runtime, `A Map has at most ${MOST_ITEMS} items.`);
  return items;
}

async function itemsValue(run: StateRun): Promise<JsonValue> {
  const { ItemsPath: path, Items: given } = run.state.fields;
  if (run.state.language === 'JSONata') {
    return given === undefined ? run.input : evaluateField(run, 'Items', { template: given });
  }
  const input = selectField(run, 'InputPath', run.input);
  return typeof path === 'string' ? selectPath(run, 'ItemsPath', { text: path, from: input }) : input;
}

/** How many items may fail; `undefined` when none may, and the first failure is the Map's own. */
async function toleranceOf(run: StateRun, items: number): Promise<number | undefined> {
  const count = await numberField(run, 'ToleratedFailureCount', [0, Number.MAX_SAFE_INTEGER]);
  const percentage = await numberField(run, 'ToleratedFailurePercentage', [0, 100]);
  if (count === undefined && percentage === undefined) return undefined;
  const share = percentage === undefined ? Infinity : Math.floor((items * percentage) / 100);
  return Math.min(count ?? Infinity, share);
}
