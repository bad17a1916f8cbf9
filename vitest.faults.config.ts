import { defineConfig } from 'vitest/config';

/** Fault runs: slow, some need root, strace or mounts. Run with `npx vitest run --config vitest.faults.config.ts`. */
// oxlint-disable-next-line import/no-default-export -- vitest reads the default export
export default defineConfig({
  resolve: { conditions: ['zeroplane-source'] },
  ssr: { resolve: { conditions: ['zeroplane-source'] } },
  test: {
    include: ['tests/faults/**/*.test.ts'],
    pool: 'forks',
    isolate: true,
    testTimeout: 120_000,
    hookTimeout: 30_000,
  },
});
