/**
 * Records executions of workflows with the code that is here, as test data for every later version. Run it once for each
 * version, before it is released: node --import tsx scripts/record-journals.mjs
 *
 * `--again` records anew what this version has recorded already, which is right only while it is not released.
 */
import { existsSync, readFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const folder = new URL(`tests/fixtures/journals/${version}/`, root);
if (existsSync(folder) && !process.argv.includes('--again')) {
  process.stderr.write(
    `${version} has been recorded. Once it is released its journals stay as they are; else --again.\n`,
  );
  process.exit(1);
}
const { recordJournals } = await import('../tests/fixtures/journals/record.ts');
const names = await recordJournals(version);
process.stdout.write(`recorded ${names.length} executions of ${version}\n`);
