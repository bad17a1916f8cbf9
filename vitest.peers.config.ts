import { defineConfig } from 'vitest/config';

/** Our suites against simulations that nobody here wrote; `npm run test:peers` installs, starts and names them. */
// oxlint-disable-next-line import/no-default-export -- vitest reads the default export
export default defineConfig({
  resolve: { conditions: ['zeroplane-source'] },
  ssr: { resolve: { conditions: ['zeroplane-source'] } },
  test: {
    include: ['tests/peers/**/*.test.ts'],
    pool: 'forks',
    isolate: true,
    testTimeout: 120_000,
    hookTimeout: 30_000,
  },
});
