/** The part of asl-validator that is used here; the package brings no types. */
declare module 'asl-validator' {
  interface Options {
    readonly checkPaths: boolean;
    readonly checkArn: boolean;
  }
  const validate: (
    definition: unknown,
    options: Options,
  ) => { readonly isValid: boolean; readonly errors: readonly unknown[] };
  export default validate;
}
