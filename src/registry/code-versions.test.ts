import { expect, test } from 'vitest';

import { CodeVersions, type VersionSource } from './code-versions.ts';

/** Knows `crm` alone; remembers what it was asked. */
class Source implements VersionSource {
  readonly asked: string[] = [];
  sha = 'one';
  #listener: (name: string) => void = () => undefined;

  get(name: string, qualifier = '$LATEST') {
    this.asked.push(`${name}:${qualifier}`);
    if (name !== 'crm') return Promise.reject(new Error('unknown'));
    return Promise.resolve({ version: qualifier, codeSha256: this.sha } as never);
  }

  onChange(listener: (name: string) => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = () => undefined);
  }

  change(name: string): void {
    this.#listener(name);
  }
}

function make() {
  const source = new Source();
  const told: string[] = [];
  const versions = new CodeVersions(source, {
    onChanged: (name) => told.push(`changed ${name}`),
    onLearned: () => told.push('learned'),
  });
  return { source, told, versions };
}

test('what is not known yet is looked up behind the back, once, and told of', async () => {
  const { source, told, versions } = make();
  expect(versions.peek('crm:live')).toBeUndefined();
  expect(versions.peek('arn:aws:lambda:eu-west-1:1:function:crm:live')).toBeUndefined();
  expect(await versions.of('crm:live')).toEqual({ version: 'live', sha256: 'one' });
  expect(versions.peek('crm:live')).toEqual({ version: 'live', sha256: 'one' });
  expect(source.asked).toEqual(['crm:live']);
  expect(told).toEqual(['learned']);
});

test('several lookups are told of together', async () => {
  const { told, versions } = make();
  await Promise.all([versions.of('crm'), versions.of('crm:1'), versions.of('absent')]);
  expect(told).toEqual(['learned']);
});

test('a function that does not exist is nothing to tell of', async () => {
  const { told, versions } = make();
  expect(await versions.of('absent')).toBeUndefined();
  expect(versions.peek('absent')).toBeUndefined();
  expect(told).toEqual([]);
});

test('a change of a function makes all of its versions unknown', async () => {
  const { source, told, versions } = make();
  await Promise.all([versions.of('crm'), versions.of('crm:1')]);
  source.sha = 'two';
  source.change('crm');
  expect(told).toEqual(['learned', 'changed crm']);
  expect(versions.peek('crm')).toBeUndefined();
  expect(await versions.of('crm')).toEqual({ version: '$LATEST', sha256: 'two' });
  versions.close();
  source.change('crm');
  expect(told.filter((each) => each === 'changed crm')).toHaveLength(1);
});

test('more functions than it remembers do not make lists chase each other', async () => {
  const { source, told, versions } = make();
  for (let index = 0; index < 10_000; index++) versions.peek(`f${index}`);
  await versions.of('f9999');
  const before = source.asked.length;
  expect(versions.peek('crm')).toBeUndefined();
  expect(source.asked).toHaveLength(before);
  expect(await versions.of('crm')).toEqual({ version: '$LATEST', sha256: 'one' });
  expect(told).toEqual([]);
});
