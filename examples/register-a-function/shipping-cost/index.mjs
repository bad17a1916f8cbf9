/** An ordinary Lambda handler: the arguments of the tool are its event. */
export const handler = async ({ country, grams }) => {
  const base = country === 'NL' ? 4.5 : 12;
  return { euros: base + Math.ceil(grams / 1000) * 2.5 };
};
