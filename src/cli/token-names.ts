/** How clients refer to the token that must not stand in their files. */

export const TOKEN_VARIABLE = 'ZEROPLANE_TOKEN';

/** Id of the question that VS Code asks for the token. */
export const TOKEN_INPUT = 'zeroplane-token';
