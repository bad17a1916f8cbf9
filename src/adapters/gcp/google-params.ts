/** Parameters that several services of Google have. */

import { z } from 'zod';

export const projectParam = z
  .string()
  .regex(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, {
    error: 'a project is named by its id: 6 to 30 lower-case letters, digits and "-"',
  })
  .exactOptional()
  .describe('Id of the project. Left out: the one that the platform is set up with.');
