/** One issuer whose tokens are taken, as its operator configured it. */

/** No shared secrets and no `none`: whoever can check such a token can make one. */
export type SigningAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA';

export interface IssuerOptions {
  /** `iss` of its tokens, compared byte for byte. */
  readonly issuer: string;
  /** One of these must stand in the claim that names the audience. */
  readonly audience: readonly string[];
  /** `client_id` for issuers whose access tokens name the client and no audience. */
  readonly audienceClaim: 'aud' | 'client_id';
  readonly algorithms: readonly SigningAlgorithm[];
  /** Where its keys are. Absent: where its metadata says, on the issuer's own origin. */
  readonly jwksUri?: string | undefined;
}
