/** Says who a customer is. Who asks stands in the client context, put there by the gateway and not by the caller. */
const CUSTOMERS = new Map([
  ['1001', { name: 'Ada Lovelace', plan: 'gold', since: '2019-03-01' }],
  ['1002', { name: 'Grace Hopper', plan: 'silver', since: '2021-11-12' }],
]);

export async function handler({ customerId }, context) {
  const asker = context.clientContext?.custom?.zeroplanePrincipal ?? 'nobody';
  console.log(`customer ${customerId} was looked up by ${asker}`);
  const customer = CUSTOMERS.get(customerId);
  return customer === undefined ? { found: false } : { found: true, customerId, ...customer };
}
