/** A Lambda handler as it would be deployed: the arguments are the event, the return value is the result. */

import { createHash } from 'node:crypto';

export const handler = async (event) => {
  const email = typeof event?.email === 'string' ? event.email.trim().toLowerCase() : '';
  if (!/^[^@\s]+@[^@\s]+$/.test(email)) {
    return { statusCode: 400, body: { message: 'email must be an e-mail address, such as ada@example.com' } };
  }
  const digest = createHash('sha256').update(email).digest('hex');
  return { email, customerId: `C-${digest.slice(0, 8).toUpperCase()}` };
};
