import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['zeroplane-source'] },
  ssr: { resolve: { conditions: ['zeroplane-source'] } },
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    exclude: ['tests/peers/**', 'tests/faults/**', 'node_modules/**'],
    pool: 'forks',
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
