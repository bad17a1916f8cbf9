/**
 * Writes schema/config.json and docs/reference/config.md from the schema in src/config.
 * Run it after changing the schema: node --import tsx scripts/config-schema.mjs
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { referencePage, schemaFile } from '../src/config/reference.ts';

const root = new URL('../', import.meta.url);
await mkdir(new URL('schema/', root), { recursive: true });
await mkdir(new URL('docs/reference/', root), { recursive: true });
await writeFile(new URL('schema/config.json', root), schemaFile());
await writeFile(new URL('docs/reference/config.md', root), referencePage());
process.stdout.write('wrote schema/config.json and docs/reference/config.md\n');
