/** A Lambda handler as anybody would write it, for the end-to-end tests. */
export const handler = async (event) => ({ greeting: `Hello, ${event.name}!` });
