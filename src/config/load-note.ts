/** Something the operator should know about the configuration although nothing is wrong; the banner prints it. */
export interface LoadNote {
  readonly kind: 'renamed' | 'ignored' | 'skipped' | 'other';
  /** Dotted key; empty for the whole file. */
  readonly path: string;
  readonly text: string;
}
