/** What the pages say is held against the code: codes, links, commands, dependencies. */

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../src/cli/catalogue.ts';
import { loadConfig } from '../src/config/load.ts';
import { ERRORS } from '../src/core/errors.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Folders whose pages are ours. */
const PLACES = ['docs', 'examples', 'samples', 'bench', 'deploy'];

function pagesBelow(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => join(folder, name));
}

const pages = [...readdirSync(root).filter((name) => name.endsWith('.md')), ...PLACES.flatMap(pagesBelow)];

/** The page without code, where brackets mean other things. */
function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '');
}

/** Fenced blocks of a language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, block = '']) => block,
  );
}

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[`*]/g, '')
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function anchors(page: string): Set<string> {
  const text = read(page).replaceAll(/^```[\s\S]*?^```/gm, '');
  return new Set([...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => anchorOf(heading)));
}

describe('docs/reference/errors.md', () => {
  const page = read('docs/reference/errors.md');
  const entries = [
    ...page.matchAll(/^### ([A-Z_]+)\n\nHTTP (\d+) · JSON-RPC (-?\d+) · (not )?retryable\n\n([^#]+)/gm),
  ].map(([, code = '', status, rpc, not, text = '']) => ({
    code,
    spec: { status: Number(status), rpc: Number(rpc), retryable: not === undefined },
    text: text.trim(),
  }));

  test('has the codes of the catalogue and no others, with their status, JSON-RPC code and retryability', () => {
    expect(Object.fromEntries(entries.map(({ code, spec }) => [code, spec]))).toEqual(ERRORS);
    expect(entries.map(({ code }) => code)).toEqual(Object.keys(ERRORS));
  });

  test('every heading in capitals is an entry', () => {
    expect([...page.matchAll(/^#+ ([A-Z_]{4,})$/gm)].map(([, code]) => code)).toEqual(entries.map(({ code }) => code));
  });

  test.each(entries)('$code says what happened and what to do', ({ text }) => {
    expect(text.length).toBeGreaterThan(60);
    expect(text).toMatch(/\.$/);
  });
});

test('every code of the catalogue is thrown or told somewhere', () => {
  const code = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(
      (name) =>
        name.endsWith('.ts') && !name.endsWith('.test.ts') && !/core.errors\.ts$|cli.exit-codes\.ts$/.test(name),
    )
    .map((name) => read(join('src', name)))
    .join('\n');
  expect(Object.keys(ERRORS).filter((each) => !code.includes(`'${each}'`))).toEqual([]);
});

describe('links', () => {
  test('there are pages to look at', () => {
    expect(pages).toContain('README.md');
    expect(pages.length).toBeGreaterThan(10);
  });

  test.each(pages)('%s links to what exists', (page) => {
    const broken = [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link = '']) => link)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : relative(root, resolve(root, dirname(page), path));
        if (!existsSync(join(root, target))) return true;
        return anchor !== undefined && target.endsWith('.md') && !anchors(target).has(anchor);
      });
    expect(broken).toEqual([]);
  });
});

describe('commands', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const verbs = new Set(CATALOGUE.map(({ path }) => path.join(' ')));
  const told = pages
    .filter((page) => page !== 'CHANGELOG.md')
    .flatMap((page) =>
      [...blocks(read(page), 'sh'), ...blocks(read(page), 'console')].map((block) => ({ page, block })),
    );

  test('there are commands to look at', () => {
    expect(told.length).toBeGreaterThan(10);
  });

  test('every npm script that a page names exists', () => {
    const named = told.flatMap(({ page, block }) =>
      [...block.matchAll(/\bnpm (?:run )?(?:--silent )?([a-z][a-z:-]*)/g)].map(([, name = '']) => ({ page, name })),
    );
    const npm = new Set(['ci', 'install', 'pack']);
    expect(named.filter(({ name }) => !npm.has(name) && scripts[name] === undefined)).toEqual([]);
  });

  test('every verb that a page names exists', () => {
    const named = told.flatMap(({ page, block }) =>
      [...block.matchAll(/(?:^|\s)(?:zeroplane|npm run cli --) ([a-z]+)(?: ([a-z]+))?/gm)].map(
        ([, one = '', two = '']) => ({
          page,
          verb: verbs.has(one) ? one : `${one} ${two}`,
        }),
      ),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter(({ verb }) => !verbs.has(verb))).toEqual([]);
  });
});

test('every configuration on a page is one', async () => {
  const texts = pages.flatMap((page) => blocks(read(page), 'ya?ml').map((text) => ({ page, text })));
  expect(texts.length).toBeGreaterThan(10);
  const folder = await mkdtemp(join(tmpdir(), 'zeroplane-docs-'));
  const file = join(folder, 'zeroplane.yaml');
  const wrong: string[] = [];
  for (const { page, text } of texts) {
    await writeFile(file, text);
    const named = [...text.matchAll(/\$\{env:(\w+)/g)].map(([, name = '']) => [name, 'set']);
    const env = Object.fromEntries(named) as Record<string, string>;
    await loadConfig({ cwd: folder, configPath: file, env }).catch((error: Error) => {
      wrong.push(`${page}: ${error.message}`);
    });
  }
  await rm(folder, { recursive: true });
  expect(wrong).toEqual([]);
});

test('docs/explanation/dependencies.md has a reason for each dependency, and no others', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  const reasons = [...read('docs/explanation/dependencies.md').matchAll(/^\| \[?`([^`]+)`\]?(?:\([^)]*\))? \|/gm)];
  expect(new Set(reasons.map(([, name]) => name))).toEqual(new Set(Object.keys(dependencies)));
});

test('every decision stands in the index', () => {
  const index = read('docs/decisions/README.md');
  const records = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{4}-/.test(name));
  expect(records.filter((name) => !index.includes(`(${name})`))).toEqual([]);
});

test('every file that skips a test, or expects one to fail, stands in the matrix with its reason', () => {
  const matrix = read('docs/explanation/test-matrix.md');
  const skips = /\b(?:test|describe)\.(?:skip|skipIf|runIf|fails|todo)\b/;
  const files = ['src', 'tests'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts') && name !== 'docs.test.ts')
      .map((name) => `${folder}/${name}`),
  );
  expect(files.filter((file) => skips.test(read(file)) && !matrix.includes(`\`${file}\``))).toEqual([]);
});
