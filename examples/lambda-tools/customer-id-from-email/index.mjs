/** Finds the customer id of an e-mail address. The event is the arguments of the tool. */
const CUSTOMERS = new Map([
  ['ada@example.com', '1001'],
  ['grace@example.com', '1002'],
]);

export async function handler({ email }) {
  const customerId = CUSTOMERS.get(String(email).trim().toLowerCase());
  // A failure that the model can read, and not an error of the function.
  return customerId === undefined ? { found: false } : { found: true, customerId };
}
